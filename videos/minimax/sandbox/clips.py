"""The sandbox's videos: true H.264 files, drawn by FFmpeg's own filters from what the prompt hashes to."""

import colorsys
import hashlib
import logging
import os
import queue
import random
import threading
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import av
import av.filter
from av.filter.context import FilterContext
from av.video.frame import PictureType

log = logging.getLogger(__name__)

_DISCS = 4
# One thread, and B-frames as MiniMax's files have them: about a second of one core for six seconds of 720p.
_ENCODER = {
    "preset": "ultrafast",
    "crf": "23",
    "threads": "1",
    "x264-params": "bframes=2:b-adapt=0:colorprim=bt709:transfer=bt709:colormatrix=bt709",
}


@dataclass(frozen=True, slots=True)
class Clip:
    prompt: str
    width: int
    height: int
    fps: int
    frames: int

    @property
    def name(self) -> str:
        told = f"{self.width}x{self.height}@{self.fps} {self.frames} {self.prompt}"
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32] + ".mp4"


class Clips:
    """Clips on disk, made one at a time: ahead of need in the background, or when somebody asks for one that is gone."""

    def __init__(self, folder: Path, *, kept: int) -> None:
        self._folder = folder
        self._kept = kept
        self._encoder = threading.Lock()
        self._wanted: queue.SimpleQueue[Clip | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="sandbox-encoder", daemon=True)
        self._stopped = False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in folder.glob("*.part"):
            unfinished.unlink(missing_ok=True)

    def start(self) -> None:
        self._worker.start()

    def stop(self) -> None:
        """Return when the clip in work is done; those that wait are made on demand some other day."""
        self._stopped = True
        self._wanted.put(None)
        self._worker.join()

    def prepare(self, clip: Clip) -> None:
        self._wanted.put(clip)

    def open(self, clip: Clip) -> BinaryIO:
        """The clip's file, made now if need be; raises OSError when the disk does not take it or the sandbox stops."""
        path = self._folder / clip.name
        try:
            return _opened(path)
        except FileNotFoundError:
            with self._encoder:
                if self._stopped:
                    raise ConnectionAbortedError("the sandbox stops") from None
                if not path.exists():
                    self._make(clip, path)
                return _opened(path)

    def _work(self) -> None:
        while clip := self._wanted.get():
            try:
                self.open(clip).close()
            except ConnectionAbortedError:
                return
            except (OSError, av.FFmpegError):
                log.exception("a clip could not be made ahead of need")

    def _make(self, clip: Clip, path: Path) -> None:
        unfinished = path.with_suffix(".part")
        try:
            draw(clip, unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        by_age = sorted((file for file in self._folder.glob("*.mp4") if file != path), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in by_age[self._kept - 1 :]:
            old.unlink()


def _opened(path: Path) -> BinaryIO:
    # What was asked for lately stays; the others go first.
    os.utime(path)
    return path.open("rb")


def draw(clip: Clip, path: Path) -> None:
    """Write the clip as a silent MP4, its index at the end as MiniMax's files have it."""
    picture = _picture(clip)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=clip.fps, options=_ENCODER)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for number in range(clip.frames):
            frame = picture.vpull()
            frame.pts, frame.time_base = number, Fraction(1, clip.fps)
            # The gradients call each frame a key frame, and the encoder would believe them.
            frame.pict_type = PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _picture(clip: Clip) -> av.filter.Graph:
    """Discs that wander over a drifting gradient; colours, sizes and paths come from the prompt."""
    dice = random.Random(hashlib.sha256(clip.prompt.encode("utf-8", "surrogatepass")).digest())  # noqa: S311
    hue = dice.random()
    graph = av.filter.Graph()
    picture = _gradient(graph, clip, dice, hue)
    for _ in range(_DISCS):
        x, y = (f"(1+sin(2*PI*t*{dice.uniform(0.08, 0.3):.3f}+{dice.uniform(0, 6.28):.3f}))/2" for _ in range(2))
        over = graph.add("overlay", f"x='(W-w)*{x}':y='(H-h)*{y}':format=yuv420")
        picture.link_to(over, 0, 0)
        _disc(graph, clip, dice, hue).link_to(over, 0, 1)
        picture = over
    picture.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _gradient(graph: av.filter.Graph, clip: Clip, dice: random.Random, hue: float) -> FilterContext:
    colours = (_colour(hue, 0.75, 0.35), _colour(hue + 0.08, 0.6, 0.85), _colour(hue + 0.55, 0.7, 0.45))
    kind = dice.choice(("linear", "radial", "circular", "spiral"))
    # Drawn at a quarter of the size and scaled up: gradients lose nothing by it, and it is the dear part.
    width, height = max(clip.width // 4, 16), max(clip.height // 4, 16)
    return _chain(
        graph,
        (
            "gradients",
            f"size={width}x{height}:rate={clip.fps}:{_numbered(colours)}:nb_colors=3:seed={dice.randrange(2**31)}:speed=0.015:type={kind}",
        ),
        ("scale", f"{clip.width}:{clip.height}:flags=bicubic:out_color_matrix=bt709:out_range=tv"),
        ("format", "yuv420p"),
    )


def _disc(graph: av.filter.Graph, clip: Clip, dice: random.Random, hue: float) -> FilterContext:
    size = max(4, int(clip.height * dice.uniform(0.16, 0.42)) // 2 * 2)
    colour = _colour(hue + dice.uniform(-0.15, 0.65), dice.uniform(0.25, 0.7), 1)
    from_edge = f"{size / 2}-hypot(X-{size / 2 - 0.5},Y-{size / 2 - 0.5})"
    return _chain(
        graph,
        ("color", f"c={colour}:s={size}x{size}:r={clip.fps}"),
        ("format", "yuva420p"),
        # Its soft edge is computed once: one frame is kept and shown for ever.
        ("trim", "end_frame=1"),
        ("geq", f"lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='clip(({from_edge})*{255 / max(2, size * 0.12)},0,215)'"),
        ("loop", "loop=-1:size=1"),
    )


def _chain(graph: av.filter.Graph, *steps: tuple[str, str]) -> FilterContext:
    filters = [graph.add(name, arguments) for name, arguments in steps]
    for before, after in pairwise(filters):
        before.link_to(after)
    return filters[-1]


def _colour(hue: float, saturation: float, value: float) -> str:
    return "0x" + "".join(f"{round(part * 255):02x}" for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _numbered(colours: tuple[str, ...]) -> str:
    return ":".join(f"c{number}={colour}" for number, colour in enumerate(colours))
