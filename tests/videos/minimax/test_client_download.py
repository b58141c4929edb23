"""Fetching a clip: checked while it streams into a storage, in constant memory, with no bearer on the way."""

import errno
import io
import threading
import time
import tracemalloc
from pathlib import Path

import av
import pytest
from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage

from tests.support.clients import client_of
from tests.support.lookalike import Answer, LookAlike, make_mp4
from videos.minimax.download import REDIRECTS_MAX
from videos.minimax.errors import LinkExpired, MiniMaxError, Outcome
from videos.minimax.provider import Order
from videos.minimax.v1 import MiniMaxV1

MP4 = make_mp4()


@pytest.fixture
def storage(tmp_path) -> FileSystemStorage:
    if not settings.configured:
        settings.configure()
    return FileSystemStorage(tmp_path / "media", base_url="/")


def link_of(minimax: LookAlike) -> str:
    return minimax.link(minimax.make_job({"model": "video-01", "prompt": "a cat"}))


def fetch(client: MiniMaxV1, url: str, expected_size: int | None = None) -> bytes:
    with client.download(url, expected_size=expected_size) as clip:
        return clip.read()


def failure(client: MiniMaxV1, url: str, expected_size: int | None = None) -> MiniMaxError:
    with pytest.raises(MiniMaxError) as caught:
        fetch(client, url, expected_size)
    assert caught.value.code == "provider_error"
    assert not isinstance(caught.value, OSError)
    return caught.value


# ---- The clip ---------------------------------------------------------------------------------------------------------


def test_a_clip_is_saved_as_it_is_and_plays(client, minimax, storage):
    with client.download(link_of(minimax), expected_size=len(MP4)) as clip:
        name = storage.save("clip.mp4", File(clip))
    assert Path(storage.path(name)).read_bytes() == MP4
    assert minimax.calls("download")[0].headers["Accept-Encoding"] == "identity"
    with av.open(storage.path(name)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 25


@pytest.mark.parametrize("framing", [Answer(chunked=True), Answer(headers={"Content-Length": None, "Connection": "close"})])
def test_a_clip_whose_size_nobody_told_is_taken_whole_and_in_its_own_memory(minimax, framing):
    client = client_of(minimax, max_clip_bytes=1024**3)
    minimax.next("download", framing)
    tracemalloc.start()
    try:
        assert fetch(client, link_of(minimax)) == MP4
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024**2
    finally:
        tracemalloc.stop()


def test_chunks_count_and_not_the_length_that_stands_beside_them(client, minimax):
    minimax.next("download", Answer(chunked=True, headers={"Content-Length": "5"}))
    assert fetch(client, link_of(minimax)) == MP4


def test_reads_are_full_until_the_end_as_s3_s_uploader_needs_them(client, minimax):
    minimax.next("download", Answer(body=MP4, padding=200_000, chunked=True))
    with client.download(link_of(minimax), expected_size=None) as clip:
        assert not clip.seekable()
        assert clip.seek(0) == clip.tell() == 0
        assert clip.read(0) == b""
        pieces = [clip.read(5), clip.read(1000)]
        assert clip.tell() == 1005
        with pytest.raises(io.UnsupportedOperation):
            clip.seek(0)
        while pieces[-1]:
            pieces.append(clip.read(1000))
    assert {len(piece) for piece in pieces[1:-2]} == {1000}
    assert b"".join(pieces) == MP4 + bytes(200_000)


def test_a_big_clip_needs_little_memory(minimax, storage):
    size = 64 * 1024**2
    client = client_of(minimax, max_clip_bytes=size)
    minimax.next("download", Answer(body=MP4, padding=size - len(MP4)))
    tracemalloc.start()
    try:
        with client.download(link_of(minimax), expected_size=size) as clip:
            name = storage.save("clip.mp4", File(clip))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert storage.size(name) == size
    assert peak < 2 * 1024**2


# ---- What is not the clip ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", [{}, {"chunked": True}])
def test_a_download_cut_in_the_middle_fails_to_be_saved(client, minimax, storage, framing):
    minimax.next("download", Answer(body=MP4, padding=1024**2, cut_after=500_000, **framing))
    with pytest.raises(MiniMaxError) as caught:
        with client.download(link_of(minimax), expected_size=None) as clip:
            storage.save("clip.mp4", File(clip))
    assert caught.value.outcome is Outcome.AGAIN


def test_a_download_that_ends_early_without_a_length_fails_by_minimax_s_size(client, minimax):
    minimax.next("download", Answer(headers={"Content-Length": None, "Connection": "close"}, cut_after=len(MP4) - 1))
    assert failure(client, link_of(minimax), len(MP4)).outcome is Outcome.AGAIN


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_clip_of_another_size_than_minimax_said_is_refused(client, minimax, difference):
    for framing in (Answer(), Answer(chunked=True)):
        minimax.next("download", framing)
        assert failure(client, link_of(minimax), len(MP4) + difference).outcome is Outcome.AGAIN


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"<html>please log in</html>", b"\0\0\0\x18moovisom", b"ID3\x04ftyp", b"GIF89a" * 20])
def test_what_does_not_begin_like_a_video_is_refused(client, minimax, body):
    minimax.next("download", Answer(body=body))
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "TEXT/plain", "application/json", "application/xml"])
def test_what_calls_itself_no_video_is_refused(client, minimax, content_type):
    minimax.next("download", Answer(headers={"Content-Type": content_type}))
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN


@pytest.mark.parametrize("content_type", ["application/octet-stream", "binary/octet-stream", "VIDEO/MP4", None])
def test_object_storage_may_call_a_video_anything_else(client, minimax, content_type):
    minimax.next("download", Answer(headers={"Content-Type": content_type}))
    assert fetch(client, link_of(minimax)) == MP4


@pytest.mark.parametrize("chunked", [False, True])
def test_a_clip_above_the_limit_is_refused(minimax, chunked):
    client = client_of(minimax, max_clip_bytes=len(MP4))
    assert fetch(client, link_of(minimax)) == MP4
    minimax.next("download", Answer(body=MP4, padding=1, chunked=chunked))
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN


def test_a_clip_that_says_it_is_too_large_is_not_even_begun(minimax):
    client = client_of(minimax, max_clip_bytes=len(MP4))
    minimax.next("download", Answer(body=MP4, padding=1))
    with pytest.raises(MiniMaxError):
        client.download(link_of(minimax), expected_size=None).__enter__()


# ---- Links ------------------------------------------------------------------------------------------------------------


def test_a_link_that_died_is_replaced_by_asking_again(client, minimax):
    task_id = client.create(Order("video-01", "a cat"))
    file_id = minimax.jobs[0].file_id
    used = client.locate(file_id).url
    assert fetch(client, used) == MP4
    with pytest.raises(LinkExpired) as caught:
        fetch(client, used)
    assert (caught.value.outcome, caught.value.code) == (Outcome.AGAIN, "provider_error")
    assert fetch(client, client.locate(file_id).url) == MP4
    assert task_id == minimax.jobs[0].task_id


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_of_the_link_means_that_it_expired(client, minimax, status):
    minimax.next("download", Answer(status, body=b"gone"))
    assert isinstance(failure(client, link_of(minimax)), LinkExpired)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, Outcome.AGAIN), (206, Outcome.AGAIN), (304, Outcome.AGAIN), (500, Outcome.AGAIN), (429, Outcome.LATER), (503, Outcome.LATER)],
)
def test_another_refusal_is_tried_again(client, minimax, status, outcome):
    minimax.next("download", Answer(status, body=MP4))
    error = failure(client, link_of(minimax))
    assert error.outcome is outcome
    assert not isinstance(error, LinkExpired)


def test_redirects_are_followed_over_http_only(client, minimax):
    link = link_of(minimax)
    minimax.next(
        "download",
        Answer(302, body=b"", headers={"Location": link}),
        Answer(307, body=b"", headers={"Location": link.removeprefix(minimax.files_url)}),
    )
    assert fetch(client, link) == MP4
    for elsewhere in ("file:///etc/passwd", "ftp://127.0.0.1/clip.mp4", "http://[bad"):
        minimax.next("download", Answer(302, body=b"", headers={"Location": elsewhere}))
        assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN


def test_redirects_that_never_end_are_left(client, minimax):
    link = link_of(minimax)
    minimax.always("download", Answer(302, body=b"", headers={"Location": link}))
    assert failure(client, link).outcome is Outcome.AGAIN
    assert len(minimax.calls("download")) == 6


@pytest.mark.parametrize("url", ["file:///etc/passwd", "", "http://", "http://[bad", "http://a:b/", "clip.mp4"])
def test_a_link_that_is_none_is_asked_for_again(client, url):
    assert failure(client, url).outcome is Outcome.AGAIN


def test_a_download_host_that_cannot_be_reached_is_tried_later(client):
    assert failure(client, "http://files.invalid/clip.mp4").outcome is Outcome.LATER


def test_no_bearer_and_no_password_ever_reaches_the_download_host(client, minimax, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    link = link_of(minimax)
    minimax.next("download", Answer(302, body=b"", headers={"Location": link}))
    client.create(Order("video-01", "a cat"))
    assert fetch(client, link) == MP4
    assert len(minimax.calls("download")) == 2
    assert not any("Authorization" in request.headers for request in minimax.calls("download"))


def test_the_log_never_holds_a_link_s_signature(client, minimax, caplog):
    link = link_of(minimax)
    caplog.clear()
    fetch(client, link)
    failure(client, link)
    minimax.next("download", Answer(cut_after=0))
    error = failure(client, link)
    failure(client, "http://files.invalid/clip.mp4?Signature=secret")
    logs = [record.msg for record in caplog.records]
    assert [entry["event"] for entry in logs] == [
        "minimax_download",
        "minimax_link_dead",
        "minimax_download_unanswered",
        "minimax_download_unanswered",
    ]
    assert "Signature" not in repr(logs) + repr(error)
    assert error.__suppress_context__  # requests puts the whole link into its errors, which a traceback would show


# ---- Time, and whose fault it is ----------------------------------------------------------------------------------------


def test_a_download_has_its_time_however_steadily_it_drips(minimax):
    client = client_of(minimax, download_seconds=0.3)
    minimax.next("download", Answer(drip=0.02))
    started = time.monotonic()
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN
    assert 0.3 <= time.monotonic() - started < 30  # it would go on for minutes


def test_redirects_share_the_time_of_one_download(minimax):
    client = client_of(minimax, download_seconds=0.3)
    link = link_of(minimax)
    before = len(minimax.calls("download"))
    minimax.always("download", Answer(302, body=b"", headers={"Location": link, "X": "x" * 100}, drip_head=0.0005))
    failure(client, link)
    # Each answer takes more than a tenth of a second. As many are followed where each has time of its own.
    assert len(minimax.calls("download")) - before <= 3 < REDIRECTS_MAX


def test_a_download_that_falls_silent_is_left_before_its_time(minimax):
    client = client_of(minimax, read_seconds=0.2, download_seconds=60)
    minimax.next("download", Answer(hold=threading.Event()))
    started = time.monotonic()
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN
    assert time.monotonic() - started < 30


def test_a_full_disk_is_not_taken_for_a_broken_download(client, minimax):
    class FullDisk(FileSystemStorage):
        def _save(self, name, content):
            for _ in content.chunks():
                raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        with client.download(link_of(minimax), expected_size=None) as clip:
            FullDisk("unused").save("clip.mp4", File(clip))
