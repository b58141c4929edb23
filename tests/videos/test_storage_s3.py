"""Results on S3: the storage as the settings make it, against a server that speaks S3's wire protocol."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.test import Client
from moto.server import ThreadedMotoServer

from conduit import clock
from conduit.settings import _S3
from tests.support import nursery
from tests.support.driving import Driver
from tests.support.finished_videos import finished_video
from tests.support.lookalike import Answer
from tests.support.real_clips import Clip, write
from tests.support.strict_s3 import StrictS3
from videos import cleanup, orphans, storage_check
from videos.downloads import PRESIGNED_SECONDS_MAX
from videos.links import media_url
from videos.media.assembling import assemble
from videos.media.facts import Target
from videos.models import ClipState, Video
from videos.rendering import render_and_store
from videos.storage import folder
from videos.storage_models import StorageWalk

CONTENT = bytes(range(256)) * 4096  # 1 MiB
BUCKET = "results"
# Nothing listens there.
AWAY = {"endpoint_url": "http://127.0.0.1:9", "client_config": Config(retries={"total_max_attempts": 1})}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret").create_bucket(
        Bucket=BUCKET
    )
    yield url
    server.stop()


@pytest.fixture(autouse=True)
def results_on_s3(server, settings) -> None:
    here = {"bucket_name": BUCKET, "endpoint_url": server, "region_name": "us-east-1", "access_key": "id", "secret_key": "secret"}
    settings.STORAGES = settings.STORAGES | {"default": _S3 | {"OPTIONS": _S3["OPTIONS"] | here}}


@pytest.fixture
def video(db) -> Video:
    return finished_video(CONTENT)


def link_to(video: Video, **ago: float) -> str:
    url = urlsplit(media_url(video.pk, "video.mp4", clock.now() - timedelta(**ago)))
    return f"{url.path}?{url.query}"


# ---- The storage ------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_as_it_was_saved():
    name = default_storage.save("clips/one/clip.mp4", ContentFile(CONTENT))
    assert name == "clips/one/clip.mp4"
    assert default_storage.exists(name)
    assert default_storage.size(name) == len(CONTENT)
    with default_storage.open(name) as file:
        assert file.read() == CONTENT


def test_a_stored_file_can_be_read_at_any_place():
    name = default_storage.save("clips/two/clip.mp4", ContentFile(CONTENT))
    with default_storage.open(name) as file:
        file.seek(1000)
        assert file.read(3) == CONTENT[1000:1003]
        assert list(iter(lambda: len(file.read(600_000)), 0)) == [600_000, len(CONTENT) - 1003 - 600_000]


def test_a_stored_clip_is_assembled_like_one_on_disk(tmp_path):
    clip = write(tmp_path / "clip.mp4", Clip(sound="aac"))
    with clip.open("rb") as file:
        name = default_storage.save("clips/five/clip.mp4", File(file))
    wish = Target(128, 72, 1)
    delivered = render_and_store(task_id=uuid4(), clip_files=[name], target=wish, token=uuid4(), on_progress=lambda share: None)
    facts = assemble([clip], wish, tmp_path / "video.mp4", tmp_path / "thumbnail.jpg", on_progress=lambda share: None)
    assert delivered.facts == facts
    with default_storage.open(delivered.file) as stored:
        assert stored.read() == (tmp_path / "video.mp4").read_bytes()


def test_a_check_needs_no_thread_of_boto_s_for_which_a_process_would_wait_at_its_end(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("a thread was wanted")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)

    with pytest.raises(RuntimeError):
        default_storage.save("clips/six/clip.mp4", ContentFile(CONTENT))
    assert storage_check.check() is None


def test_saving_under_a_taken_name_replaces_the_file():
    for content in (b"first", b"second"):
        assert default_storage.save("clips/three/clip.mp4", File(BytesIO(content))) == "clips/three/clip.mp4"
    assert default_storage.size("clips/three/clip.mp4") == len(b"second")


def test_a_folder_lists_its_files_and_loses_the_deleted_ones():
    for name in ("a", "b"):
        default_storage.save(f"clips/four/{name}.mp4", ContentFile(b"x"))
    default_storage.save("clips/four/deeper/c.mp4", ContentFile(b"x"))
    assert default_storage.listdir("clips/four") == (["deeper"], ["a.mp4", "b.mp4"])
    default_storage.delete("clips/four/a.mp4")
    default_storage.delete("clips/four/never-was.mp4")
    assert default_storage.listdir("clips/four") == (["deeper"], ["b.mp4"])
    assert not default_storage.exists("clips/four/a.mp4")


def test_a_missing_file_says_so():
    with pytest.raises(FileNotFoundError):
        default_storage.open("clips/nowhere.mp4").read()


def test_files_that_no_row_names_are_found_page_by_page(db, monkeypatch, time_travel):
    monkeypatch.setattr("videos.s3.PAGE", 4)
    kept, lost = [], []
    for _ in range(5):
        video = finished_video(CONTENT[:10])
        names = [default_storage.save(f"{folder(video.pk)}/{name}", ContentFile(b"x")) for name in ("video-1", "thumbnail-1", "clip-1")]
        Video.objects.filter(pk=video.pk).update(file=names[0], thumbnail=names[1], swept_at=clock.now())
        kept, lost = [*kept, *names[:2]], [*lost, names[2]]
    orphans.go_on(clock.now())
    assert all(map(default_storage.exists, [*kept, *lost]))  # they are young

    StorageWalk.objects.all().delete()  # from the beginning
    time_travel.move_to(clock.now())
    time_travel.shift(2 * orphans.OLD_ENOUGH.total_seconds())
    for _ in range(10):
        orphans.go_on(clock.now())

    assert [default_storage.exists(name) for name in lost] == [False] * 5
    assert all(map(default_storage.exists, kept))


# ---- Delivery ---------------------------------------------------------------------------------------------------------


def test_a_link_leads_to_the_file_on_s3(client: Client, video):
    response = client.get(link_to(video))
    assert response.status_code == 302
    assert response["Cache-Control"] == "no-store"
    stored = requests.get(response["Location"], timeout=60)
    assert (stored.status_code, stored.content) == (200, CONTENT)
    assert stored.headers["Content-Type"] == "video/mp4"
    assert stored.headers["Content-Disposition"] == f'attachment; filename="conduit-{video.pk}.mp4"'


def test_a_link_that_plays_in_the_tab_leads_to_one_that_does(client: Client, video):
    stored = requests.get(client.get(f"{link_to(video)}&inline=1")["Location"], timeout=60)

    assert stored.headers["Content-Disposition"] == f'inline; filename="conduit-{video.pk}.mp4"'


def test_a_range_is_answered_by_s3(client: Client, video):
    location = client.get(link_to(video), headers={"Range": "bytes=1000-1999"})["Location"]
    stored = requests.get(location, headers={"Range": "bytes=1000-1999"}, timeout=60)
    assert (stored.status_code, stored.content) == (206, CONTENT[1000:2000])
    assert stored.headers["Content-Range"] == f"bytes 1000-1999/{len(CONTENT)}"


def test_head_leads_to_a_link_that_is_signed_for_head(client: Client, video):
    got, head = client.get(link_to(video))["Location"], client.head(link_to(video))["Location"]
    assert parse_qs(urlsplit(got).query)["X-Amz-Signature"] != parse_qs(urlsplit(head).query)["X-Amz-Signature"]
    stored = requests.head(head, timeout=60)
    assert (stored.status_code, stored.content, stored.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


def test_the_link_on_s3_ends_no_later_than_ours(client: Client, video, settings):
    span = settings.MEDIA_LINK_SPAN_SECONDS
    link = link_to(video, seconds=span - 10)
    ours = int(parse_qs(urlsplit(link).query)["expires"][0])
    seconds = int(parse_qs(urlsplit(client.get(link)["Location"]).query)["X-Amz-Expires"][0])
    assert 0 < seconds <= ours - clock.now().timestamp() + 1


def test_a_link_of_ours_that_lives_longer_than_s3_allows_leads_to_one_that_does_not(client: Client, video, settings):
    settings.MEDIA_LINK_SPAN_SECONDS = 30 * 24 * 3600
    query = parse_qs(urlsplit(client.get(link_to(video))["Location"]).query)
    assert query["X-Amz-Expires"] == [str(PRESIGNED_SECONDS_MAX)]


def test_a_link_that_we_did_not_sign_never_reaches_s3(client: Client, video):
    response = client.get(link_to(video)[:-2])
    assert (response.status_code, response.json()["error"]["code"]) == (403, "invalid_link")


# ---- Other stores than Amazon's ---------------------------------------------------------------------------------------


def use(settings, **options: Any) -> None:
    now = settings.STORAGES["default"]
    settings.STORAGES = settings.STORAGES | {"default": now | {"OPTIONS": now["OPTIONS"] | options}}


@pytest.fixture
def strict(server: str) -> Iterator[StrictS3]:
    with StrictS3(server) as store:
        yield store


@pytest.mark.parametrize("megabytes", [1, 9], ids=["at once", "in parts"])
def test_a_store_that_refuses_boto_s_checksums_takes_and_gives_files(settings, strict, megabytes):
    use(settings, endpoint_url=strict.url)
    content = CONTENT * megabytes
    name = default_storage.save("clips/strict/clip.mp4", ContentFile(content))
    with default_storage.open(name) as file:
        assert file.read() == content
    default_storage.delete(name)
    assert not default_storage.exists(name)


def test_checksums_are_sent_where_the_setting_asks_for_them(settings, strict):
    use(settings, endpoint_url=strict.url, checksums="when_supported")
    with pytest.raises(ClientError, match="NotImplemented"):
        default_storage.save("clips/strict/clip.mp4", ContentFile(b"x"))


@pytest.mark.parametrize(("style", "leads_to"), [("virtual", "results.store.example"), ("path", "store.example")])
def test_a_bucket_is_named_in_the_host_or_in_the_path(settings, style, leads_to):
    use(settings, endpoint_url="http://store.example:9000", addressing_style=style)
    link = urlsplit(default_storage.url("clips/one.mp4"))
    assert (link.hostname, link.path) == (leads_to, "/clips/one.mp4" if style == "virtual" else "/results/clips/one.mp4")


def test_a_link_is_signed_for_the_public_name_of_a_store_that_is_called_by_an_inside_one(client: Client, db, settings, server, strict):
    inside = StrictS3(server)
    with inside:
        use(settings, endpoint_url=inside.url, public_endpoint_url=strict.url)
        video = finished_video(CONTENT)
        location = client.get(link_to(video))["Location"]
        assert location.startswith(strict.url + "/results/")
        called = set(inside.hosts)
        assert requests.get(location, timeout=60).content == CONTENT
    assert called
    assert strict.hosts == {urlsplit(strict.url).netloc}
    assert inside.hosts == called


def settings_with(**variables: str) -> str:
    """The storage's options in an environment of their own, or why there are none."""
    words = "from conduit import settings; print(settings._S3['OPTIONS'])"
    ran = nursery.run([sys.executable, "-c", words], {**os.environ, "CONDUIT_ENV": "development", **variables})
    return ran.stdout or ran.stderr


@pytest.mark.parametrize(
    ("variables", "option"),
    [
        ({}, "'checksums': 'when_required'"),
        ({"S3_CHECKSUMS": "when_supported"}, "'checksums': 'when_supported'"),
        ({"S3_ADDRESSING_STYLE": "virtual"}, "'addressing_style': 'virtual'"),
        ({"S3_PUBLIC_ENDPOINT_URL": "https://files.example.com/"}, "'public_endpoint_url': 'https://files.example.com'"),
        ({"S3_PUBLIC_ENDPOINT_URL": ""}, "'public_endpoint_url': None"),
    ],
)
def test_settings_say_how_a_store_is_spoken_to(variables, option):
    assert option in settings_with(**variables)


@pytest.mark.parametrize("name", ["S3_CHECKSUMS", "S3_ADDRESSING_STYLE", "S3_PUBLIC_ENDPOINT_URL"])
def test_a_word_that_no_store_knows_is_refused_by_name(name):
    assert f"{name} is 'sometimes'" in settings_with(**{name: "sometimes"})


def test_a_missing_bucket_is_noticed_before_the_first_paid_video(consumer, driver_on_s3, minimax, settings):
    use(settings, bucket_name="never-made")
    task_id = consumer.generate()["task_id"]

    driver_on_s3.step(task_id)

    assert storage_check.trouble() == "It cannot write a file: NoSuchBucket."
    assert consumer.task(task_id)["stage"] == "waiting_for_storage"
    assert minimax.creates == []


def test_a_check_leaves_nothing_on_s3():
    assert storage_check.check() is None
    assert default_storage.listdir("checks") == ([], [])


# ---- The engine -------------------------------------------------------------------------------------------------------


@pytest.fixture
def driver_on_s3(minimax, settings, tmp_path) -> Driver:
    settings.MINIMAX_POLL_SECONDS = settings.RETRY_SECONDS = 0
    settings.WORK_DIR = tmp_path / "work"
    return Driver()


def stored_names(task_id: str) -> list[str]:
    return sorted(default_storage.listdir(f"tasks/{task_id}")[1])


def test_a_generation_is_fetched_assembled_and_served_from_s3(consumer, driver_on_s3):
    task_id = consumer.generate()["task_id"]

    assert driver_on_s3.finish(task_id).status == "completed"

    cleanup.remove_leftovers()
    assert [name.partition("-")[0] for name in stored_names(task_id)] == ["thumbnail", "video"]
    result = consumer.task(task_id)["result"]
    url = urlsplit(result["video_url"])
    redirect = Client().get(f"{url.path}?{url.query}")
    assert len(requests.get(redirect["Location"], timeout=60).content) == result["size_bytes"]


def test_a_download_that_breaks_off_leaves_nothing_on_s3(consumer, driver_on_s3, minimax):
    minimax.next("download", Answer(cut_after=500))
    task_id = consumer.generate()["task_id"]
    driver_on_s3.until(task_id, ClipState.LOCATED)

    driver_on_s3.step(task_id)

    assert stored_names(task_id) == []
    assert driver_on_s3.finish(task_id).status == "completed"


def test_a_sweep_that_s3_does_not_answer_is_done_again_later(consumer, driver_on_s3, settings):
    task_id = consumer.generate()["task_id"]
    driver_on_s3.finish(task_id)
    here = settings.STORAGES
    settings.STORAGES = here | {"default": here["default"] | {"OPTIONS": here["default"]["OPTIONS"] | AWAY}}
    cleanup.remove_leftovers()
    settings.STORAGES = here
    assert any(name.startswith("clip-") for name in stored_names(task_id))

    cleanup.remove_leftovers()

    assert not any(name.startswith("clip-") for name in stored_names(task_id))


def test_an_s3_that_is_away_delays_the_task_and_the_clip_is_not_made_again(consumer, driver_on_s3, minimax, settings):
    task_id = consumer.generate()["task_id"]
    driver_on_s3.until(task_id, ClipState.LOCATED)
    here = settings.STORAGES
    settings.STORAGES = here | {"default": here["default"] | {"OPTIONS": here["default"]["OPTIONS"] | AWAY}}
    driver_on_s3.step(task_id)
    waiting = consumer.task(task_id)
    settings.STORAGES = here

    assert (waiting["status"], waiting["stage"]) == ("processing", "waiting_for_storage")
    assert driver_on_s3.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1
