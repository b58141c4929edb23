"""A sheet of a video's pictures: what a player shows beside its time line."""

from collections.abc import Iterator
from pathlib import Path

import av

from videos.media.blaming import blaming_the_file
from videos.media.errors import MediaError
from videos.media.facts import SheetFacts
from videos.media.framing import graph
from videos.media.reading import decoded, reading, scan
from videos.media.thumbnails import encoded, scaled
from videos.media.writing import leaving_nothing_half

# So many beside each other, and so many rows of them; and the longest side of one, in pixels.
COLUMNS, ROWS = 5, 5
LONGEST_SIDE = 320


def draw_spritesheet(clip: Path, *, sheet: Path) -> SheetFacts:
    """Write a JPEG of pictures from moments that lie evenly over the video, row by row: of each of as many equal parts the middle.

    Raises:
        MediaError: the video is damaged.
        OSError: the disk cannot read the one or write the other. Neither leaves a file behind.
    """
    with leaving_nothing_half(sheet), blaming_the_file():
        picture = _joined(_tiles(clip))
        sheet.write_bytes(encoded(picture))
    return SheetFacts(width=picture.width, height=picture.height, size_bytes=sheet.stat().st_size)


def _tiles(clip: Path) -> Iterator[av.VideoFrame]:
    with reading(clip) as source:
        shown = len(scan(source).times)
    count = COLUMNS * ROWS
    # A video that shows fewer pictures than there are places has some of them twice.
    wanted = [(2 * place + 1) * shown // (2 * count) for place in range(count)]
    with reading(clip) as source:
        given = 0
        for number, frame in enumerate(decoded(source)):
            while given < count and wanted[given] == number:
                yield _tile(frame)
                given += 1
            if given == count:
                return
    raise MediaError("The video's pictures cannot all be decoded.")


def _tile(frame: av.VideoFrame) -> av.VideoFrame:
    longest = max(frame.width, frame.height)
    # Even, as two pixels share their colours.
    width, height = (max(2, 2 * round(side * LONGEST_SIDE / longest / 2)) for side in (frame.width, frame.height))
    return scaled(frame, width, height, "yuvj420p")


def _joined(tiles: Iterator[av.VideoFrame]) -> av.VideoFrame:
    first = next(tiles)
    size = f"{first.width}x{first.height}"
    tiling = graph(
        f"buffer=video_size={size}:pix_fmt={first.format.name}:time_base=1/1:colorspace={int(first.colorspace)}:range={int(first.color_range)}",
        f"tile={COLUMNS}x{ROWS}",
        "buffersink",
    )
    tiling.vpush(first)
    for tile in tiles:
        tiling.vpush(tile)
    return tiling.vpull()
