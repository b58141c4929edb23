"""The sandbox's videos are true: their size, rate and length are their model's, and they move."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import av
import pytest

from tests.videos.minimax.sandbox_driver import LONG_ENOUGH, Driver, driven
from videos.minimax.sandbox.drawing import DrawnClip, draw


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """With a home of its own: these tests look into it."""
    with driven(tmp_path) as driver:
        yield driver


def pictures(content: bytes) -> list[bytes]:
    """The luma of every frame."""
    with av.open(BytesIO(content)) as container:
        return [bytes(frame.planes[0]) for frame in container.decode(video=0)]


def difference(one: bytes, other: bytes) -> float:
    """Mean distance of two pictures of one size, of 255."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_a_clip_of_full_size_has_its_models_pixels_rate_and_frames(tmp_path: Path) -> None:
    with driven(tmp_path, clip_scale=1) as driver:
        answer = driver.ended("a cat on the moon")
        content = driver.download(driver.retrieve(answer["file_id"])["file"]["download_url"]).content
    assert (answer["video_width"], answer["video_height"]) == (1280, 720)
    with av.open(BytesIO(content)) as container:
        (stream,) = container.streams  # V1 video is silent
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 1280, 720)
        assert stream.average_rate == 25
        assert container.duration == 6_000_000
        assert sum(1 for _ in container.decode(video=0)) == 150


@pytest.mark.parametrize(
    ("fields", "size", "fps", "frames"),
    [
        ({"model": "MiniMax-Hailuo-02"}, (1366, 768), 24, 144),
        ({"model": "MiniMax-Hailuo-2.3", "duration": 10}, (1366, 768), 24, 240),
        ({"model": "MiniMax-Hailuo-02", "resolution": "1080P"}, (1920, 1080), 24, 144),
        ({"model": "MiniMax-Hailuo-02", "resolution": "512P", "first_frame_image": "https://example.com/a.png"}, (912, 512), 24, 144),
    ],
)
def test_each_model_has_pixels_rate_and_length_of_its_own(
    driver: Driver, fields: dict[str, object], size: tuple[int, int], fps: int, frames: int
) -> None:
    task_id = driver.accepted("a cat", **fields)
    driver.clock.move(LONG_ENOUGH * 2)
    answer = driver.query(task_id)
    content = driver.download(driver.retrieve(answer["file_id"])["file"]["download_url"]).content
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        scaled = tuple(pixels // 8 // 2 * 2 for pixels in size)
        assert (stream.width, stream.height) == scaled == (answer["video_width"], answer["video_height"])
        assert (stream.average_rate, stream.frames) == (fps, frames)


@pytest.mark.parametrize("off", [-3, 5])
def test_a_clip_can_come_some_frames_short_or_long(tmp_path: Path, off: int) -> None:
    with driven(tmp_path, frames_off=off) as driver:
        assert len(pictures(driver.download(driver.link("a cat")).content)) == 150 + off


def test_a_clip_moves_and_two_prompts_differ(driver: Driver) -> None:
    cat, dog = (pictures(driver.download(driver.link(prompt)).content) for prompt in ("a cat", "a dog"))
    assert difference(cat[0], cat[75]) > 3
    assert difference(cat[75], cat[76]) > 0
    assert difference(cat[75], dog[75]) > 10


def test_the_index_stands_at_the_end_of_the_file(driver: Driver) -> None:
    content = driver.download(driver.link("a cat")).content
    assert 0 < content.index(b"mdat") < content.index(b"moov")


def test_the_same_request_gives_the_same_file_and_makes_it_once(driver: Driver, tmp_path: Path) -> None:
    assert driver.download(driver.link("a cat")).content == driver.download(driver.link("a cat")).content
    assert len(list((tmp_path / "clips").iterdir())) == 1


def test_only_the_newest_clips_are_kept_and_the_others_are_made_again_alike(tmp_path: Path) -> None:
    with driven(tmp_path, clips_kept=2) as driver:
        first = driver.link("clip 0")
        content = driver.download(first).content
        for number in (1, 2, 3):
            driver.link(f"clip {number}")
        assert len(list((tmp_path / "clips").iterdir())) == 2
        assert driver.download(first).content == content


def test_a_clip_that_was_not_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    half = tmp_path / "clips" / "half.part"
    half.parent.mkdir()
    half.write_bytes(b"half")
    with driven(tmp_path) as driver:
        driver.link("a cat")
        assert [path.suffix for path in half.parent.iterdir()] == [".mp4"]


def test_a_disk_that_takes_no_clip_is_an_answer_and_the_next_try_succeeds(tmp_path: Path) -> None:
    with driven(tmp_path) as driver:
        (tmp_path / "clips").rmdir()
        file_id = driver.ended("a cat")["file_id"]
        assert driver.get("/v1/files/retrieve", file_id=file_id).status_code == 500
        (tmp_path / "clips").mkdir()
        assert driver.retrieve(file_id)["base_resp"]["status_code"] == 0


@pytest.mark.parametrize("size", [(16, 16), (18, 32), (1366, 768)])
def test_any_even_size_can_be_drawn(tmp_path: Path, size: tuple[int, int]) -> None:
    draw(DrawnClip("a cat", *size, fps=24, frames=2), tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [size] * 2
