"""The sandbox's V2: MiniMax-H3 with its ratios, its frames in steps of 17, its sound, its list, its cancel and its bill."""

from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import requests

from tests.support import frame_numbers
from tests.support.clients import http_client
from tests.support.pictures import encoded, png
from tests.videos.minimax.sandbox_driver import BEARER, KEY, Clock, Driver, driven
from videos.minimax.images import data_url
from videos.minimax.provider import Order, Phase
from videos.minimax.v2 import MiniMaxV2

# 4 s of 768P take 100 s, give or take 5 %.
DONE = 110.0


def body(prompt: str = "a cat", **fields: Any) -> dict[str, Any]:
    return {"model": "MiniMax-H3", "content": [{"type": "text", "text": prompt}], "duration": 4} | fields


def post(driver: Driver, *, prompt: str = "a cat", **fields: Any) -> requests.Response:
    return driver.http.post(f"{driver.sandbox.url}/v2/video_generation", json=body(prompt, **fields), headers=BEARER, timeout=60)


def accepted(driver: Driver, prompt: str = "a cat", **fields: Any) -> str:
    response = post(driver, prompt=prompt, **fields)
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


def ask(driver: Driver, task_id: str) -> requests.Response:
    return driver.get(f"/v2/query/video_generation/{task_id}")


def record(driver: Driver, task_id: str) -> Any:
    return ask(driver, task_id).json()["task"]


def delete(driver: Driver, task_id: str) -> requests.Response:
    return driver.http.delete(f"{driver.sandbox.url}/v2/video_generation/{task_id}", headers=BEARER, timeout=60)


def listed(driver: Driver, **filters: Any) -> Any:
    return driver.get("/v2/query/video_generation", **filters).json()


def clip(driver: Driver, task_id: str) -> bytes:
    driver.clock.move(DONE * 10)
    return driver.download(record(driver, task_id)["content"]["url"]).content


def test_a_job_goes_through_every_status_and_shows_its_link_at_the_end(driver: Driver) -> None:
    task_id = accepted(driver, "a slow cat", ratio="9:16")
    seen = []
    for _ in range(30):
        told = record(driver, task_id)
        assert (told["content"] is None) is (told["status"] != "succeeded")
        seen.append(told["status"])
        driver.clock.move(4)
    assert list(dict.fromkeys(seen)) == ["queued", "running", "succeeded"]
    told = record(driver, task_id)
    assert (told["id"], told["model"], told["resolution"], told["duration"], told["ratio"]) == (task_id, "MiniMax-H3", "768P", 4, "9:16")
    assert told["error"] is None


@pytest.mark.parametrize(
    ("resolution", "ratio", "pixels"),
    [
        ("768P", "16:9", (1344, 768)),
        ("768P", "9:16", (768, 1344)),
        ("2K", "16:9", (2560, 1440)),
        ("2K", "9:16", (1440, 2560)),
        ("768P", "1:1", (1024, 1024)),
        ("2K", "21:9", (2940, 1260)),
    ],
)
def test_a_clip_has_the_pixels_of_its_resolution_and_ratio(driver: Driver, resolution: str, ratio: str, pixels: tuple[int, int]) -> None:
    content = clip(driver, accepted(driver, resolution=resolution, ratio=ratio))
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == tuple(side // 8 // 2 * 2 for side in pixels)
        assert stream.average_rate == 24


@pytest.mark.soak
def test_a_clip_of_full_size_is_whole(tmp_path: Path) -> None:
    with driven(tmp_path, clip_scale=1) as driver, av.open(BytesIO(clip(driver, accepted(driver)))) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (1344, 768, 107)


@pytest.mark.parametrize(("length", "frames"), [(4, 107), (5, 124), (10, 243), (15, 362)])
def test_a_clip_is_a_little_longer_than_asked_for(driver: Driver, length: int, frames: int) -> None:
    with av.open(BytesIO(clip(driver, accepted(driver, duration=length)))) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames


def test_a_clip_has_sound_that_beeps_on_each_whole_second(driver: Driver) -> None:
    content = clip(driver, accepted(driver))
    with av.open(BytesIO(content)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert sound.codec_context.name == "aac"
        assert float(sound.duration * sound.time_base) == pytest.approx(float(video.duration * video.time_base), abs=0.03)
    assert beeps(content, (0.0, 1.0, 2.0, 3.0), (0.5, 1.5, 2.5, 3.5))


def test_in_a_chain_the_beeps_stay_on_every_24th_frame(driver: Driver) -> None:
    with av.open(BytesIO(clip(driver, accepted(driver, "a chain [sandbox: numbers]")))) as container:
        last = list(container.decode(video=0))[-1]
    image = {"url": data_url(encoded("png", last.reformat(format="rgb24", src_colorspace="itu709")))}
    prompt = "a chain [sandbox: numbers]"
    content = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": image, "role": "first_frame"}]
    second = clip(driver, accepted(driver, content=content))
    with av.open(BytesIO(second)) as container:
        assert frame_numbers.read(next(container.decode(video=0))) == 106
    # The second clip begins with frame 106, which is 14 frames before the fifth second.
    assert beeps(second, [14 / 24 + n for n in range(3)], [14 / 24 - 0.2 + n for n in range(3)])


def beeps(content: bytes, loud: Iterable[float], quiet: Iterable[float]) -> bool:
    """Whether the pitch is high right after each of these seconds, and low after the others."""
    with av.open(BytesIO(content)) as container:
        sound = container.streams.audio[0]
        resampler = av.AudioResampler(format="s16", layout="mono", rate=8000)
        samples = b"".join(
            bytes(piece.planes[0])[: piece.samples * 2] for frame in container.decode(sound) for piece in resampler.resample(frame)
        )
    high, low = ([crossings(samples, at, at + 0.03) for at in times] for times in (loud, quiet))
    return min(high) > 2 * max(low)


def crossings(samples: bytes, start: float, end: float) -> int:
    """How often the sound changes its sign in that time, in seconds."""
    values = memoryview(samples).cast("h")[int(start * 8000) : int(end * 8000)]
    return sum((a < 0) != (b < 0) for a, b in pairwise(values))


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "video-01"},
        {"model": None},
        {"duration": 3},
        {"duration": 16},
        {"duration": "4"},
        {"duration": True},
        {"resolution": "1080P"},
        {"resolution": 2},
        {"ratio": "3:2"},
        {"ratio": ["16:9"]},
        {"content": "a cat"},
        {"content": []},
        {"content": ["a cat"]},
        {"content": [{"type": "text", "text": ""}]},
        {"content": [{"type": "text", "text": "x" * 7001}]},
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"content": [{"type": "text", "text": "a"}, {"type": "video_url", "video_url": {"url": "https://example.com/"}}]},
        {"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": data_url(png())}, "role": ["first_frame"]}]},
        {"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": 7}]},
        {"content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
    ],
)
def test_what_the_model_does_not_make_is_a_400_and_no_job(driver: Driver, fields: dict[str, Any]) -> None:
    before = len(driver.sandbox.jobs())
    response = post(driver, **fields)
    told = response.json()
    assert (response.status_code, told["type"], told["error"]["http_code"]) == (400, "error", "400")
    assert told["error"]["message"].endswith("(2013)")
    assert told["request_id"] == response.headers["Trace-Id"]
    assert len(driver.sandbox.jobs()) == before


def test_a_prompt_of_7000_characters_is_accepted(driver: Driver) -> None:
    accepted(driver, "猫" * 7000)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "video_generation"),
        ("GET", "query/video_generation"),
        ("GET", "query/video_generation/1"),
        ("DELETE", "video_generation/1"),
    ],
)
@pytest.mark.parametrize(("headers", "code"), [({}, 1004), ({"Authorization": "Bearer other"}, 2049)])
def test_a_missing_or_wrong_key_is_a_401(driver: Driver, method: str, path: str, headers: dict[str, str], code: int) -> None:
    response = requests.request(method, f"{driver.sandbox.url}/v2/{path}", headers=headers, json={}, timeout=60)
    assert response.status_code == 401
    assert response.json()["error"]["message"].endswith(f"({code})")


def test_a_forbidden_prompt_is_refused_by_moderation(driver: Driver) -> None:
    response = post(driver, prompt="forbidden-by-minimax")
    assert (response.status_code, "(1026)" in response.text) == (422, True)


def test_the_jobs_of_one_version_are_unknown_to_the_other(driver: Driver) -> None:
    v1, v2 = driver.accepted("a cat"), accepted(driver)
    assert ask(driver, v1).status_code == 404
    assert driver.query(v2)["base_resp"]["status_code"] == 2013
    assert delete(driver, v1).status_code == 404


# ---- List and cancel --------------------------------------------------------------------------------------------------


def test_the_list_shows_jobs_newest_first_by_pages_and_by_status(tmp_path: Path) -> None:
    with driven(tmp_path) as driver:
        driver.accepted("one of V1")
        ids = [accepted(driver) for _ in range(5)]
        assert [item["id"] for item in listed(driver)["items"]] == ids[::-1]
        assert [item["id"] for item in listed(driver, page_num=2, page_size=2)["items"]] == [ids[2], ids[1]]
        assert listed(driver, page_num=4, page_size=2) == {"items": [], "total": 5}
        delete(driver, ids[0])
        assert [item["id"] for item in listed(driver, **{"filter.status": "cancelled"})["items"]] == [ids[0]]
        for wrong in ("0", "x", "501"):
            assert driver.get("/v2/query/video_generation", page_size=wrong).status_code == 400
        driver.clock.move(8 * 24 * 3600)
        assert listed(driver)["total"] == 0
        assert ask(driver, ids[1]).status_code == 404


def test_a_queued_job_is_cancelled_a_running_one_refused_and_a_finished_one_forgotten(driver: Driver) -> None:
    waiting, running, finished = (accepted(driver) for _ in range(3))
    assert delete(driver, waiting).status_code == 200
    assert record(driver, waiting)["status"] == "cancelled"
    assert delete(driver, waiting).status_code == 400
    driver.clock.move(50)
    assert delete(driver, running).status_code == 400
    assert record(driver, running)["status"] == "running"
    driver.clock.move(DONE)
    assert record(driver, waiting)["status"] == "cancelled"
    assert delete(driver, finished).status_code == 200
    assert ask(driver, finished).status_code == delete(driver, finished).status_code == 404


def test_the_bill_holds_what_was_made_and_neither_the_cancelled_nor_the_failed(tmp_path: Path) -> None:
    clock = Clock()
    with driven(tmp_path, clock=clock) as driver:
        for fields in ({}, {"duration": 10, "resolution": "2K"}, {"prompt": "doomed [sandbox: fail=1027]"}):
            accepted(driver, **fields)
        driver.accepted("a cat")
        driver.http.post(
            f"{driver.sandbox.url}/v1/image_generation", json={"model": "image-01", "prompt": "a cat", "n": 2}, headers=BEARER, timeout=60
        )
        delete(driver, accepted(driver))
        post(driver, ratio="wrong")
        clock.move(DONE)
        with pytest.raises(requests.ConnectionError):
            post(driver, prompt="gone [sandbox: create lost]")
    with driven(tmp_path, clock=clock) as driver:
        bill = driver.get("/sandbox/bill").json()
    assert sorted((line["model"], line["usd"], line["billed"]) for line in bill["lines"]) == [
        ("MiniMax-H3", "0.32", False),
        ("MiniMax-H3", "0.32", False),
        ("MiniMax-H3", "0.32", True),
        ("MiniMax-H3", "0.32", True),
        ("MiniMax-H3", "1.30", True),
        ("image-01", "0.0070", True),
        ("video-01", "0.43", True),
    ]
    assert bill["total_usd"] == "2.3770"


# ---- Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "http"), [("status=1002", 429), ("status=1008", 402), ("status=1000", 500), ("rate-limit", 429), ("http=529", 529)]
)
def test_a_create_is_refused_as_an_http_status_and_then_accepted(driver: Driver, fault: str, http: int) -> None:
    prompt = f"a cat [sandbox: create {fault}]"
    response = post(driver, prompt=prompt)
    assert (response.status_code, response.json()["error"]["http_code"]) == (http, str(http))
    accepted(driver, prompt)


def test_each_call_has_faults_of_its_own(driver: Driver) -> None:
    task_id = accepted(driver, "odd [sandbox: query garbage; query unknown-status; cancel status=1000; cancel lost; numeric-ids]")
    assert ask(driver, task_id).text.startswith("<html>")
    assert record(driver, task_id)["status"] in ("warming", "queued")
    assert record(driver, task_id)["id"] == int(task_id)
    assert delete(driver, task_id).status_code == 500
    with pytest.raises(requests.ConnectionError):
        delete(driver, task_id)
    assert record(driver, task_id)["status"] == "cancelled"
    driver.sandbox.fault("list", "http=500")
    assert driver.get("/v2/query/video_generation").status_code == 500
    assert driver.get("/v2/query/video_generation").status_code == 200


def test_a_job_ends_as_failed_with_its_code_and_another_stays_queued(driver: Driver) -> None:
    failed, waiting = accepted(driver, "bad [sandbox: fail=1027]"), accepted(driver, "slow [sandbox: queued]")
    driver.clock.move(DONE * 100)
    assert record(driver, failed)["error"]["code"] == "1027"
    assert (record(driver, failed)["status"], record(driver, waiting)["status"]) == ("failed", "queued")


# ---- The real client --------------------------------------------------------------------------------------------------


def test_our_client_makes_finds_and_cancels_what_the_sandbox_has(driver: Driver) -> None:
    client = MiniMaxV2(http_client(driver.sandbox.url, KEY), max_clip_bytes=10**8)
    order = Order("MiniMax-H3", "client", seconds=4, resolution="768P", ratio="9:16", first_frame=png(360, 640))
    task_id = client.create(order)
    assert client.query(task_id).phase is Phase.QUEUED
    sent = datetime.fromtimestamp(driver.clock.now, UTC)
    known = [item["id"] for item in listed(driver, page_size=100)["items"] if item["id"] != task_id]
    assert client.find_lost(order, sent_after=sent, known_ids=known) == task_id
    driver.clock.move(DONE)
    state = client.query(task_id)
    assert state.file_id
    with client.download(client.locate(state.file_id).url, expected_size=None) as file, av.open(BytesIO(file.read())) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 168)
    assert client.cancel(task_id) is False
    assert client.cancel(client.create(order)) is True
