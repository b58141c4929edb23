"""A signed link to a file on the disk: whole, in part, or not at all, as HTTP has it."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from conduit import clock
from tests.support.finished_videos import finished_video
from videos.downloads import CHUNK_BYTES
from videos.links import media_url
from videos.models import Video

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * 3000  # 768,000 bytes: three chunks
SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    storages = {**settings.STORAGES}
    storages["default"] = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = storages


@pytest.fixture
def video() -> Video:
    return finished_video(CONTENT)


@pytest.fixture
def link(video) -> str:
    return link_to(video)


def link_to(video: Video, name="video.mp4", **ago: float) -> str:
    url = urlsplit(media_url(video.pk, name, clock.now() - timedelta(**ago)))
    return f"{url.path}?{url.query}"


def body(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def error(response) -> tuple[int, str, str]:
    told = response.json()["error"]
    assert response["Cache-Control"] == "no-store"
    assert set(told) == {"message", "type", "code", "param"}
    return response.status_code, told["type"], told["code"]


def test_a_link_gives_the_whole_file(client: Client, video, link):
    response = client.get(link)
    assert response.status_code == 200
    assert body(response) == CONTENT
    assert response["Content-Length"] == str(SIZE)
    assert response["Content-Type"] == "video/mp4"
    assert response["Accept-Ranges"] == "bytes"
    assert response["Content-Disposition"] == f'attachment; filename="conduit-{video.pk}.mp4"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["ETag"] == '"0123456789abcdef"'


@pytest.mark.parametrize(("more", "shown"), [("&inline=1", "inline"), ("&inline=0", "attachment"), ("&inline=", "attachment")])
def test_a_link_plays_in_the_tab_when_it_says_so(client: Client, video, link, more, shown):
    response = client.head(link + more)

    assert (response.status_code, response["Content-Disposition"]) == (200, f'{shown}; filename="conduit-{video.pk}.mp4"')


def test_the_thumbnail_has_a_link_of_its_own(client: Client, video):
    response = client.get(link_to(video, "thumbnail.jpg"))
    assert (response["Content-Type"], body(response)) == ("image/jpeg", b"a picture")
    assert response["Content-Disposition"] == f'attachment; filename="conduit-{video.pk}.jpg"'


def test_a_file_may_be_kept_as_long_as_its_link_lives(client: Client, link, settings):
    public, age = client.head(link)["Cache-Control"].split(", max-age=")
    assert public == "private"
    assert settings.MEDIA_LINK_SPAN_SECONDS - 5 <= int(age) <= 2 * settings.MEDIA_LINK_SPAN_SECONDS


def test_head_has_the_headers_of_get_and_no_body(client: Client, link):
    got, head = client.get(link), client.head(link)
    assert head.status_code == 200
    assert head.content == b""
    changing = {"X-Request-ID"}
    assert {k: v for k, v in head.items() if k not in changing} == {k: v for k, v in got.items() if k not in changing}
    got.close()


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=0-", 0, SIZE - 1),
        (f"bytes={SIZE - 10}-", SIZE - 10, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
        (f"bytes=5-{SIZE * 9}", 5, SIZE - 1),
        ("BYTES=5-5", 5, 5),
        (f"bytes={CHUNK_BYTES - 1}-{CHUNK_BYTES * 2}", CHUNK_BYTES - 1, CHUNK_BYTES * 2),
    ],
)
def test_a_range_gives_just_that_part(client: Client, link, asked, first, last):
    response = client.get(link, headers={"Range": asked})
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response["Content-Length"] == str(last - first + 1)
    assert body(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(client: Client, link, asked):
    response = client.get(link, headers={"Range": asked})
    assert error(response) == (416, "invalid_request_error", "range_not_satisfiable")
    assert response["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "bytes=0-1,5-9", "items=0-5", "0-5", "bytes=٣-٤", f"bytes={'9' * 5000}-"]
)
def test_a_range_that_is_none_or_several_gives_the_whole_file(client: Client, link, asked):
    response = client.get(link, headers={"Range": asked})
    assert (response.status_code, response["Content-Length"]) == (200, str(SIZE))
    assert "Content-Range" not in response
    response.close()


def test_a_range_of_the_same_file_goes_on_and_of_another_one_starts_anew(client: Client, link):
    same = client.get(link, headers={"Range": "bytes=5-9", "If-Range": '"0123456789abcdef"'})
    other = client.get(link, headers={"Range": "bytes=5-9", "If-Range": '"another"'})
    weak = client.get(link, headers={"Range": "bytes=5-9", "If-Range": 'W/"0123456789abcdef"'})
    assert [response.status_code for response in (same, other, weak)] == [206, 200, 200]
    for response in (same, other, weak):
        response.close()


@pytest.mark.parametrize("known", ['"0123456789abcdef"', '"x", W/"0123456789abcdef"', "*"])
def test_a_file_that_the_client_has_is_not_sent_again(client: Client, link, known):
    response = client.get(link, headers={"If-None-Match": known, "Range": "bytes=0-5"})
    assert (response.status_code, response.content, response["ETag"]) == (304, b"", '"0123456789abcdef"')


def test_a_file_that_the_client_has_not_is_sent(client: Client, link):
    response = client.get(link, headers={"If-None-Match": '"another"'})
    assert body(response) == CONTENT


def test_a_link_whose_time_is_over_says_so(client: Client, video, settings):
    response = client.get(link_to(video, seconds=2 * settings.MEDIA_LINK_SPAN_SECONDS + 1))
    assert error(response) == (403, "permission_error", "link_expired")


@pytest.mark.parametrize(
    "tamper", [lambda url: url[:-2], lambda url: url.partition("?")[0], lambda url: url.replace("video.mp4", "thumbnail.jpg")]
)
def test_a_link_that_we_did_not_sign_opens_nothing_and_asks_no_database(client: Client, link, django_assert_num_queries, tamper):
    with django_assert_num_queries(0):
        assert error(client.get(tamper(link))) == (403, "permission_error", "invalid_link")


def test_a_good_link_costs_one_query(client: Client, link, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get(link).close()


@pytest.mark.parametrize("path", ["/media/no-uuid/video.mp4", "/media/{id}/other.mp4", "/media/{id}/..%2fvideo.mp4"])
def test_a_path_that_cannot_be_ours_is_unknown(client: Client, video, path):
    response = client.get(path.format(id=video.pk))
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_another_method_is_told_which_there_are(link, method):
    response = getattr(Client(enforce_csrf_checks=True), method)(link)
    assert error(response) == (405, "invalid_request_error", "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_video_that_is_not_completed_has_no_files(client: Client, status):
    assert error(client.get(link_to(finished_video(CONTENT, status=status))))[0] == 404


def test_a_file_that_is_gone_from_the_disk_is_not_found(client: Client, video, link):
    default_storage.delete(video.file)
    assert error(client.get(link)) == (404, "not_found_error", "not_found")


def test_a_file_of_another_size_than_was_stored_is_not_delivered(client: Client, video, link):
    Path(default_storage.path(video.file)).write_bytes(CONTENT[:-1])
    assert error(client.get(link)) == (404, "not_found_error", "not_found")


def test_the_file_is_read_in_chunks(client: Client, link):
    assert [len(chunk) for chunk in client.get(link).streaming_content] == [CHUNK_BYTES, CHUNK_BYTES, SIZE - 2 * CHUNK_BYTES]


@pytest.mark.parametrize("chunks_read", [0, 1])
def test_the_file_is_closed_when_the_client_goes_away(client: Client, link, chunks_read, open_files):
    response = client.get(link)
    before = open_files()
    for _ in range(chunks_read):
        next(iter(response.streaming_content))
    response.close()
    assert open_files() == before - 1


@pytest.fixture
def open_files(tmp_path):
    return lambda: sum(path.resolve().is_relative_to(tmp_path) for path in Path("/proc/self/fd").iterdir())
