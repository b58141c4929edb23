"""The sandbox's videos: true H.264 files, drawn by FFmpeg's own filters from what the prompt hashes to."""

import colorsys
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.filter
from av.filter.context import FilterContext
from av.video.frame import PictureType, VideoFrame

from videos.minimax.sandbox import numbers

_DISCS = 4
# One thread, and B-frames as MiniMax's files have them: about a second of one core for six seconds of 720p.
_ENCODER = {
    "preset": "ultrafast",
    "crf": "23",
    "threads": "1",
    "x264-params": "bframes=2:b-adapt=0:colorprim=bt709:transfer=bt709:colormatrix=bt709",
}
# For so many frames a first frame passes into the scene that goes on from it.
_PASSING = 24
_SOUND_RATE = 44_100
# A quiet tone, and on each whole second a beep of four times its pitch.
_TONE = f"frequency=220:beep_factor=4:sample_rate={_SOUND_RATE}"


@dataclass(frozen=True, slots=True)
class DrawnClip:
    prompt: str
    width: int
    height: int
    fps: int
    frames: int
    has_sound: bool = False
    # The image that the clip begins with, by its file's path; None: it begins with the scene itself.
    first_frame: Path | None = None
    # Where in the scene it begins, counted in frames.
    starts_at: int = 0
    # Whether each frame shows its number in the scene.
    numbers: bool = False

    @property
    def name(self) -> str:
        frame = self.first_frame.name if self.first_frame else "-"
        told = f"{self.width}x{self.height}@{self.fps} {self.frames} {self.has_sound} {frame} {self.starts_at} {self.numbers} {self.prompt}"
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32] + ".mp4"


def draw(clip: DrawnClip, path: Path) -> None:
    """Write the clip as an MP4, its index at the end as MiniMax's files have it."""
    picture = _picture(clip)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=clip.fps, options=_ENCODER)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        if clip.has_sound:
            sound = container.add_stream("aac", rate=_SOUND_RATE, layout="stereo")
            for piece in _sound(clip):
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
        for number in range(clip.frames):
            frame = picture.vpull()
            if clip.numbers:
                numbers.draw(frame, clip.starts_at + number)
            frame.pts, frame.time_base = number, Fraction(1, clip.fps)
            # The gradients call each frame a key frame, and the encoder would believe them.
            frame.pict_type = PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def still(prompt: str, width: int, height: int) -> VideoFrame:
    """The scene of a prompt as it begins."""
    return _picture(DrawnClip(prompt, width, height, fps=1, frames=1)).vpull()


def _picture(clip: DrawnClip) -> av.filter.Graph:
    """Discs that wander over a drifting gradient; colours, sizes and paths come from the prompt."""
    dice = random.Random(hashlib.sha256(clip.prompt.encode("utf-8", "surrogatepass")).digest())  # noqa: S311
    hue = dice.random()
    graph = av.filter.Graph()
    picture = _gradient(graph, clip, dice, hue)
    time = f"(t+{clip.starts_at / clip.fps:.6f})"
    for _ in range(_DISCS):
        x, y = (f"(1+sin(2*PI*{time}*{dice.uniform(0.08, 0.3):.3f}+{dice.uniform(0, 6.28):.3f}))/2" for _ in range(2))
        picture = _over(graph, picture, _disc(graph, clip, dice, hue), f"x='(W-w)*{x}':y='(H-h)*{y}'")
    source = None
    if clip.first_frame:
        source, passing = _passing(graph, clip, clip.first_frame)
        picture = _over(graph, picture, passing, "eof_action=pass")
    picture.link_to(graph.add("buffersink"))
    graph.configure()
    if source:
        source[0].push(source[1])
        source[0].push(None)
    return graph


def _over(graph: av.filter.Graph, below: FilterContext, above: FilterContext, how: str) -> FilterContext:
    over = graph.add("overlay", f"{how}:format=yuv420")
    below.link_to(over, 0, 0)
    above.link_to(over, 0, 1)
    return over


def _passing(graph: av.filter.Graph, clip: DrawnClip, path: Path) -> tuple[tuple[FilterContext, VideoFrame], FilterContext]:
    """An image that fills the first frame of the clip and then fades away; with the filter that takes it, and the image."""
    with av.open(str(path)) as container:
        image = next(container.decode(video=0)).reformat(format="rgb24")
    image.pts, image.time_base = 0, Fraction(1, clip.fps)
    source = graph.add_buffer(width=image.width, height=image.height, format=image.format, time_base=image.time_base)
    size = f"{clip.width}:{clip.height}"
    shown = _chain(
        graph,
        ("scale", f"{size}:force_original_aspect_ratio=increase:flags=lanczos:out_color_matrix=bt709:out_range=tv"),
        ("crop", size),
        ("setsar", "1"),
        ("format", "yuva420p"),
        ("loop", f"loop={_PASSING}:size=1"),
        ("setpts", f"N/{clip.fps}/TB"),
        ("fade", f"t=out:start_frame=0:nb_frames={_PASSING}:alpha=1"),
        after=source,
    )
    return (source, image), shown


def _gradient(graph: av.filter.Graph, clip: DrawnClip, dice: random.Random, hue: float) -> FilterContext:
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


def _disc(graph: av.filter.Graph, clip: DrawnClip, dice: random.Random, hue: float) -> FilterContext:
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


def _sound(clip: DrawnClip) -> Iterator[av.AudioFrame]:
    """The tone for as long as the clip is; it beeps on each whole second of the scene, wherever in that the clip begins."""
    start = clip.starts_at / clip.fps
    end = start + clip.frames / clip.fps
    graph = av.filter.Graph()
    tone = _chain(
        graph,
        ("sine", f"{_TONE}:duration={end:.6f}"),
        ("atrim", f"start={start:.6f}:end={end:.6f}"),
        ("asetpts", "N"),
        ("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
    )
    tone.link_to(graph.add("abuffersink"))
    graph.configure()
    while True:
        try:
            piece = graph.pull()
        except (av.EOFError, BlockingIOError):
            return
        if isinstance(piece, av.AudioFrame):
            yield piece


def _chain(graph: av.filter.Graph, *steps: tuple[str, str], after: FilterContext | None = None) -> FilterContext:
    filters = ([after] if after else []) + [graph.add(name, arguments) for name, arguments in steps]
    for before, behind in pairwise(filters):
        before.link_to(behind)
    return filters[-1]


def _colour(hue: float, saturation: float, value: float) -> str:
    return "0x" + "".join(f"{round(part * 255):02x}" for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _numbered(colours: tuple[str, ...]) -> str:
    return ":".join(f"c{number}={colour}" for number, colour in enumerate(colours))
