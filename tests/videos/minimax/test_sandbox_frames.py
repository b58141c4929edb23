"""Clips that begin with a given frame, numbers that run through a chain of them, and counts of frames that can be set."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest

from tests.support import frame_numbers
from tests.support.pictures import encoded, jpeg, png
from tests.videos.minimax.sandbox_driver import BEARER, LONG_ENOUGH, Driver, driven
from videos.minimax.images import data_url
from videos.minimax.sandbox import numbers


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """With a home of its own: the numbers of jobs, and with them their jitter, begin anew."""
    with driven(tmp_path) as driver:
        yield driver


def made(driver: Driver, prompt: str, **fields: Any) -> list[av.VideoFrame]:
    """The pictures of a new clip."""
    task_id = driver.accepted(prompt, **fields)
    driver.clock.move(LONG_ENOUGH * 2)
    return pictures(driver.download(driver.retrieve(driver.query(task_id)["file_id"])["file"]["download_url"]).content)


def pictures(content: bytes) -> list[av.VideoFrame]:
    with av.open(BytesIO(content)) as container:
        return list(container.decode(video=0))


def shown(frames: list[av.VideoFrame]) -> list[int | None]:
    return [frame_numbers.read(frame) for frame in frames]


def as_png(frame: av.VideoFrame) -> str:
    return data_url(encoded("png", frame.reformat(format="rgb24", src_colorspace="itu709")))


def distance(one: av.VideoFrame, other: av.VideoFrame) -> float:
    """Mean distance of luma, of 255; the pictures have one size."""
    a, b = (bytes(frame.reformat(format="gray").planes[0]) for frame in (one, other))
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)


# ---- Numbers ----------------------------------------------------------------------------------------------------------


def test_numbers_are_drawn_when_the_prompt_asks_for_them(driver: Driver) -> None:
    assert shown(made(driver, "a cat [sandbox: numbers]")) == list(range(150))
    assert {numbers.read(frame) for frame in made(driver, "a cat")} == {None}


def test_numbers_can_be_asked_for_at_the_control_api_and_as_an_option(tmp_path: Path) -> None:
    with driven(tmp_path / "one") as driver:
        order = {"on": "create", "fault": "numbers", "times": None}
        assert driver.http.post(f"{driver.sandbox.url}/sandbox/faults", json=order, timeout=60).status_code == 201
        assert shown(made(driver, "a cat"))[-1] == shown(made(driver, "a dog"))[-1] == 149
    with driven(tmp_path / "other", numbers=True) as driver:
        assert shown(made(driver, "a cat"))[-1] == 149


@pytest.mark.parametrize("model", ["video-01", "MiniMax-Hailuo-02"])
def test_in_a_chain_each_clip_begins_with_the_frame_it_was_given_and_counts_on(driver: Driver, model: str) -> None:
    prompt = "a chain [sandbox: numbers]"
    first = made(driver, prompt, model=model)
    second = made(driver, prompt, model=model, first_frame_image=as_png(first[-1]))
    third = made(driver, prompt, model=model, first_frame_image=as_png(second[-1]))
    assert frame_numbers.rise_by_one(shown(first) + shown(second)[1:] + shown(third)[1:])
    for before, after in ((first, second), (second, third)):
        assert shown(after)[0] == shown(before)[-1]
        assert distance(before[-1], after[0]) < 4
        assert distance(after[0], after[60]) > 4


def test_a_first_frame_without_a_number_begins_at_nought(driver: Driver) -> None:
    assert shown(made(driver, "a cat [sandbox: numbers]", first_frame_image=data_url(jpeg())))[:3] == [0, 1, 2]


@pytest.mark.soak
def test_the_numbers_of_a_full_size_clip_are_read_as_well(tmp_path: Path) -> None:
    with driven(tmp_path, clip_scale=1) as driver:
        assert shown(made(driver, "big [sandbox: numbers; frames=30]", model="MiniMax-Hailuo-2.3", resolution="1080P")) == list(range(30))


# ---- First frames -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "model", "size"),
    [
        ((720, 1280), "I2V-01", (720, 1280)),
        ((1080, 1920), "MiniMax-Hailuo-02", (768, 1366)),
        ((640, 640), "MiniMax-Hailuo-2.3-Fast", (768, 768)),
        ((1364, 768), "MiniMax-Hailuo-02", (1366, 768)),
        ((1280, 854), "video-01", (1079, 720)),
    ],
)
def test_a_clip_has_the_ratio_of_its_first_frame(driver: Driver, frame: tuple[int, int], model: str, size: tuple[int, int]) -> None:
    (picture, *_) = made(driver, "a cat", model=model, first_frame_image=data_url(jpeg(*frame)))
    # A few clips of 768P are two pixels narrower, which an eighth does not show.
    assert (picture.width, picture.height) == tuple(side // 8 // 2 * 2 for side in size)


def test_some_wide_clips_of_768p_are_two_pixels_narrower(tmp_path: Path) -> None:
    with driven(tmp_path, clip_scale=1, time_scale=0) as driver:
        ids = [driver.accepted("wide [sandbox: frames=1]", model="MiniMax-Hailuo-2.3") for _ in range(6)]
        assert {driver.query(task_id)["video_width"] for task_id in ids} == {1364, 1366}


@pytest.mark.parametrize("content", [jpeg(), png(), None])
def test_the_clip_shows_the_frame_first_whatever_form_it_came_in(driver: Driver, content: bytes | None) -> None:
    picture = av.VideoFrame(640, 360, "rgb24")
    for plane in picture.planes:
        plane.update(bytes(value % 251 for value in range(plane.buffer_size)))
    image = content or encoded("mjpeg", picture.reformat(format="yuvj420p"))
    frames = made(driver, "a cat", first_frame_image=data_url(image))
    with av.open(BytesIO(image)) as container:
        wanted = next(container.decode(video=0)).reformat(width=160, height=90, format="rgb24")
    assert distance(wanted, frames[0].reformat(format="rgb24", src_colorspace="itu709")) < 5


@pytest.mark.parametrize(
    "image",
    [
        data_url(jpeg(640, 36)),
        data_url(jpeg(32, 32)),
        data_url(png(1000, 390)),
        data_url(png(390, 1000)),
        data_url(png()[:-400]),
        data_url(b"\x89PNG\r\n\x1a\n" + b"x" * 100),
        "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "data:image/png;base64,R0lGODlhAQABAAAAACw=",
    ],
)
@pytest.mark.parametrize("name", ["first_frame_image", "last_frame_image"])
def test_a_frame_that_minimax_would_not_take_is_refused(driver: Driver, image: str, name: str) -> None:
    answer = driver.create("a cat", model="MiniMax-Hailuo-02", **{name: image})
    assert answer["base_resp"]["status_code"] == 2013
    assert f"{name}:" in answer["base_resp"]["status_msg"]


@pytest.mark.soak
def test_the_least_size_of_a_frame_is_that_of_minimax_at_full_size(tmp_path: Path) -> None:
    with driven(tmp_path, clip_scale=1) as driver:
        codes = [driver.create("a", first_frame_image=data_url(jpeg(400, side)))["base_resp"]["status_code"] for side in (300, 302)]
    assert codes == [2013, 0]


def test_a_frame_may_come_as_a_link_to_an_image_that_was_made_here(driver: Driver) -> None:
    fields = {"model": "image-01", "prompt": "a cat", "aspect_ratio": "9:16"}
    answer = driver.http.post(f"{driver.sandbox.url}/v1/image_generation", json=fields, headers=BEARER, timeout=60).json()
    (picture, *_) = made(driver, "a cat", model="I2V-01", first_frame_image=answer["data"]["image_urls"][0])
    assert (picture.width, picture.height) == (90, 160)


def test_a_clip_from_a_frame_is_made_again_alike_after_a_restart(tmp_path: Path) -> None:
    with driven(tmp_path, time_scale=0) as driver:
        clock, port = driver.clock, int(driver.sandbox.url.rpartition(":")[2])
        task_id = driver.accepted("a cat [sandbox: numbers]", first_frame_image=data_url(jpeg()))
        link = driver.retrieve(driver.query(task_id)["file_id"])["file"]["download_url"]
        content = driver.download(link).content
    for path in (tmp_path / "clips").iterdir():
        path.unlink()
    with driven(tmp_path, clock=clock, port=port) as driver:
        assert driver.download(link).content == content


# ---- Counts of frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "frames"), [("frames=-3", 147), ("frames=+5", 155), ("frames=147", 147), ("frames-off=-2", 148)])
def test_a_prompt_can_say_how_many_frames_its_clip_has(driver: Driver, asked: str, frames: int) -> None:
    assert len(made(driver, f"a cat [sandbox: {asked}]")) == frames


def test_the_frames_of_a_prompt_win_over_the_option_s(tmp_path: Path) -> None:
    with driven(tmp_path, frames_off=-4) as driver:
        assert len(made(driver, "a cat")) == 146
        assert len(made(driver, "a cat [sandbox: frames=+1]")) == 151


def test_a_jitter_gives_each_job_a_count_of_its_own_that_stays(tmp_path: Path) -> None:
    with driven(tmp_path, time_scale=0, frames_jitter=3) as driver:
        ids = [driver.accepted("a cat") for _ in range(12)]
        counts = [len(pictures(clip_of(driver, task_id))) for task_id in ids]
        assert [len(pictures(clip_of(driver, task_id))) for task_id in ids] == counts
    assert set(counts) <= set(range(147, 154))
    assert len(set(counts)) > 2


def clip_of(driver: Driver, task_id: str) -> bytes:
    return driver.download(driver.retrieve(driver.query(task_id)["file_id"])["file"]["download_url"]).content
