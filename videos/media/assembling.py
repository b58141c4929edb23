"""Clips in, one video out: exactly as large and as long as it was asked for."""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from videos.media.ahead import ahead
from videos.media.blaming import blaming_the_file
from videos.media.clips import OpenClip, last_picture, open_clip
from videos.media.cutting import Cut, cut
from videos.media.errors import MediaError
from videos.media.facts import ClipFacts, Target, VideoFacts
from videos.media.framing import Framing
from videos.media.levels import Levels
from videos.media.reading import Scan, frames_from, reading, scan
from videos.media.sound import RATE, Part
from videos.media.sound import frames as sound_frames
from videos.media.stills import png
from videos.media.thumbnails import first_bright, jpeg
from videos.media.timing import timing
from videos.media.writing import copied_pictures, copied_sound, encoded_pictures, encoded_sound, leaving_nothing_half, mux, writing

Progress = Callable[[float], None]

_FRAMES_AHEAD = 4  # of 3 MB at 1080p


def probe(clip: Path, *, last_frame: Path | None) -> ClipFacts:
    """Read a clip from end to end and write its very last shown picture as a PNG.

    Raises:
        MediaError: some of it is damaged, or it is not a video that can be delivered.
        OSError: the disk cannot read the one or write the other.
    """
    found = open_clip(clip)
    last = last_picture(found)
    if last_frame is not None:
        with leaving_nothing_half(last_frame), blaming_the_file():
            last_frame.write_bytes(png(last, found.shape))
    return found.facts


def assemble(clips: Sequence[Path], target: Target, video: Path, thumbnail: Path, *, on_progress: Progress) -> VideoFacts:
    """Join the clips, of which each later one begins with the last picture of the one before it, to what was wished for.

    A single clip that is that already is not encoded again. Memory does not grow with the length. `on_progress` is told
    the share that is done, from 0 to 1, rising.

    Raises:
        MediaError: a clip is bad, or together they are too short: `cut` says so beforehand.
        OSError: the disk cannot take the result. Neither leaves a file behind.
    """
    with leaving_nothing_half(video, thumbnail):
        found = [open_clip(path) for path in clips]
        plan = _plan(found, target)
        _write(found, plan, target, video, on_progress)
        made = _checked(video, plan, target)
        thumbnail.write_bytes(_thumbnail(video, made))
        on_progress(1.0)
        return VideoFacts(
            width=target.width,
            height=target.height,
            fps=round(float(len(made.times) / made.seconds), 3),
            duration_seconds=round(float(made.seconds), 3),
            frames=len(made.times),
            has_audio=any(clip.sound for clip in found),
            size_bytes=video.stat().st_size,
            thumbnail_bytes=thumbnail.stat().st_size,
            speed=plan.speed,
        )


# ---- What to do -----------------------------------------------------------------------------------------------------


def _plan(clips: Sequence[OpenClip], target: Target) -> Cut:
    if _is_as_targeted(clips, target):
        rate, frames = clips[0].timing.rate, clips[0].timing.frames
        return Cut(frames=frames, rate=rate, speed=1.0, lacking=0.0, needs_another=False)
    rate = clips[0].timing.rate
    plan = cut([clip.frames_at(rate) for clip in clips], rate, target.seconds)
    if plan.needs_another:
        raise MediaError(f"The clips are too short: {plan.lacking:.0%} of {target.seconds} s are missing.")
    return plan


def _is_as_targeted(clips: Sequence[OpenClip], target: Target) -> bool:
    """Whether there is one clip that can stay as it came: right in every way, and in length to one frame."""
    clip = clips[0]
    return (
        len(clips) == 1
        and clip.as_it_came
        and (clip.width, clip.height) == (target.width, target.height)
        and abs(clip.timing.frames - target.seconds * clip.timing.rate) <= 1
    )


# ---- Doing it -------------------------------------------------------------------------------------------------------


def _write(clips: Sequence[OpenClip], plan: Cut, target: Target, video: Path, on_progress: Progress) -> None:
    with ExitStack() as files, blaming_the_file():
        first = files.enter_context(reading(clips[0].path))
        out = files.enter_context(writing(video))
        if _is_as_targeted(clips, target):
            last_picture(clips[0])  # nobody else decodes it
            tracks = [copied_pictures(out, first, clips[0].path, clips[0].start)]
        else:
            pictures = files.enter_context(closing(_pictures(clips, plan, target, on_progress)))
            tracks = [encoded_pictures(out, pictures, target.width, target.height, plan.rate)]
        length = plan.frames / plan.rate
        if len(clips) == 1 and clips[0].sound == "aac" and plan.speed == 1:
            tracks.append(copied_sound(out, first, clips[0].path, clips[0].start, length))
        elif any(clip.sound for clip in clips):
            frames = sound_frames(_sound(clips, plan), plan.rate / clips[0].timing.rate, round(length * RATE))
            tracks.append(encoded_sound(out, files.enter_context(closing(frames))))
        mux(out, tracks)


def _pictures(clips: Sequence[OpenClip], plan: Cut, target: Target, on_progress: Progress) -> Generator[av.VideoFrame, None, None]:
    """The frames of the result: of each later clip all but the first, which shows what the one before it ended with."""
    with closing(ahead(_joined(clips, target), by=_FRAMES_AHEAD)) as joined:
        for given, frame in enumerate(islice(joined, plan.frames), 1):
            yield frame
            on_progress(given / plan.frames)
        for _ in joined:
            pass  # what is cut away is read too: damage in it is the clip's


def _joined(clips: Sequence[OpenClip], target: Target) -> Generator[av.VideoFrame, None, None]:
    rate, last = clips[0].timing.rate, None
    for clip in clips:
        framed = Framing(target.width, target.height, clip.shape)
        pictures = map(framed, clip.pictures(rate))
        if last is not None:
            pictures = map(Levels.between(last, next(pictures), rate), pictures)
        for last in pictures:
            yield last


def _sound(clips: Sequence[OpenClip], plan: Cut) -> list[Part]:
    """From where to where each clip is heard: as long as its pictures are seen, and in the whole exact to the sample."""
    rate, parts, shown, heard = clips[0].timing.rate, list[Part](), 0, 0
    for clip in clips:
        doubled = 1 if parts else 0
        shown = min(plan.frames, shown + clip.frames_at(rate) - doubled)
        until = round(shown / rate * RATE)
        parts.append(Part(clip.path if clip.sound else None, clip.start, round(doubled / rate * RATE), until - heard))
        heard = until
    return parts


# ---- Looking at what came of it -------------------------------------------------------------------------------------


def _checked(video: Path, plan: Cut, target: Target) -> Scan:
    """The file is what it should be, or it is not delivered."""
    with reading(video) as source:
        made, track = scan(source), source.video.codec_context
        shown = (track.name, track.pix_fmt, track.width, track.height, track.sample_aspect_ratio or 1)
    as_promised = (
        shown == ("h264", "yuv420p", target.width, target.height, 1)
        and len(made.times) == plan.frames
        and made.times[0] * made.unit <= Fraction(1, 1000)
        and abs(made.seconds - target.seconds) <= 1 / plan.rate
        and timing(made.times, made.end, made.unit).exact
    )
    if not as_promised:
        raise MediaError("The video did not become what was asked for.")
    return made


def _thumbnail(video: Path, made: Scan) -> bytes:
    """A JPEG of the frame at a third of the length, or of a brighter one soon after it when that one is black."""
    with reading(video) as source:
        third = made.times[len(made.times) // 3]
        picture = first_bright(frames_from(source, third))
        if picture is None:
            raise MediaError("The video cannot be decoded.")
        return jpeg(picture)
