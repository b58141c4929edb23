"""The spritesheet: 25 pictures of a video, five by five, from moments that lie evenly over it."""

import av
import pytest

from tests.support.frame_numbers import read
from tests.support.real_clips import Clip, write
from videos.media import child
from videos.media.errors import MediaError
from videos.media.sheets import draw_spritesheet

LIMITS = child.ChildLimits(seconds=60, cpu_seconds=60)


def pictures(path):
    """Row by row."""
    with av.open(str(path)) as file:
        [sheet] = file.decode(video=0)
    across, down = sheet.width // 5, sheet.height // 5
    grey = sheet.reformat(format="gray")
    data, line = bytes(grey.planes[0]), grey.planes[0].line_size
    for row in range(5):
        for column in range(5):
            tile = av.VideoFrame(across, down, "gray")
            plane = bytearray(tile.planes[0])
            for y in range(down):
                begin = (row * down + y) * line + column * across
                plane[y * tile.planes[0].line_size : y * tile.planes[0].line_size + across] = data[begin : begin + across]
            tile.planes[0].update(bytes(plane))
            yield tile


@pytest.mark.parametrize(("size", "sheet"), [((1280, 720), (1600, 900)), ((720, 1280), (900, 1600)), ((720, 480), (1600, 1070))])
def test_a_sheet_shows_the_middle_of_each_of_as_many_equal_parts(tmp_path, size, sheet):
    width, height = size
    clip = write(tmp_path / "clip.mp4", Clip(width=width, height=height, frames=100, number=0, encoder={"preset": "ultrafast"}))

    facts = draw_spritesheet(clip, sheet=tmp_path / "sheet.jpg")

    assert (facts.width, facts.height) == sheet
    assert facts.size_bytes == (tmp_path / "sheet.jpg").stat().st_size
    assert (tmp_path / "sheet.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert [read(picture) for picture in pictures(tmp_path / "sheet.jpg")] == [2 + 4 * place for place in range(25)]


def test_a_video_of_few_pictures_shows_some_of_them_twice(tmp_path):
    clip = write(tmp_path / "clip.mp4", Clip(width=640, height=360, frames=10, number=0))

    draw_spritesheet(clip, sheet=tmp_path / "sheet.jpg")

    shown = [read(picture) for picture in pictures(tmp_path / "sheet.jpg")]
    assert shown == sorted(shown)
    assert set(shown) == set(range(10))


def test_in_a_process_of_its_own_it_is_the_same_file(tmp_path):
    clip = write(tmp_path / "clip.mp4", Clip(frames=25))

    facts = child.draw_spritesheet(LIMITS, clip, sheet=tmp_path / "sheet.jpg")

    assert facts == draw_spritesheet(clip, sheet=tmp_path / "own.jpg")
    assert (tmp_path / "sheet.jpg").read_bytes() == (tmp_path / "own.jpg").read_bytes()


def test_what_is_no_video_leaves_no_sheet(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")

    with pytest.raises(MediaError):
        child.draw_spritesheet(LIMITS, tmp_path / "clip.mp4", sheet=tmp_path / "sheet.jpg")

    assert not (tmp_path / "sheet.jpg").exists()
