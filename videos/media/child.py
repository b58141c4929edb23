"""Work on a file from somebody else's server, in a process of its own that may be killed by it.

Each function has its namesake's work done: the same arguments, the same answer. They raise
    MediaError: the file is bad; `harm` says what it did to its reader (crash, time of processors, memory, size).
    ReaderStopped: the process never began to read, was killed from outside, or ran into the limit on the clock, which says nothing of the
        file: try again.
    OSError: the disk cannot take the result. None of these leaves a file behind.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.media.facts import ClipFacts, SheetFacts, Target, VideoFacts
from videos.media.orders import WRITTEN, Work

_ROOT = Path(__file__).resolve().parents[2]
# No secret of ours is any business of a process that reads strangers' files.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_STDERR_KEPT = 1 << 12
_NO_TIME_LEFT = "The process that reads videos took too long on the clock."

_HARM = {signal.SIGXCPU: Harm.TIME, signal.SIGXFSZ: Harm.SIZE} | dict.fromkeys(
    (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS), Harm.CRASH
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What one piece of work may take: seconds on the clock, seconds of all processors, bytes of address space and of each file.

    A minute of 1080 x 1920 takes 240 MB of memory, 490 MB of addresses and 30 to 95 seconds of processors, by how much moves (measured).
    Only the clock can run out for a reason that is not the file's: a machine that has other work to do.
    """

    seconds: float
    cpu_seconds: int
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 30


def probe(limits: ChildLimits, clip: Path, *, last_frame: Path | None) -> ClipFacts:
    """`videos.media.assembling.probe`."""
    return ClipFacts(**_done(limits, "probe", {"clip": clip, "last_frame": last_frame}))


def assemble(
    limits: ChildLimits, clips: Sequence[Path], target: Target, video: Path, thumbnail: Path, *, on_progress: Callable[[float], None]
) -> VideoFacts:
    """`videos.media.assembling.assemble`. An exception out of `on_progress` ends the process and is raised."""
    given = {"clips": clips, "target": target, "video": video, "thumbnail": thumbnail}
    return VideoFacts(**_done(limits, "assemble", given, on_progress))


def draw_spritesheet(limits: ChildLimits, clip: Path, *, sheet: Path) -> SheetFacts:
    """`videos.media.sheets.draw_spritesheet`."""
    return SheetFacts(**_done(limits, "draw_spritesheet", {"clip": clip, "sheet": sheet}))


def _done(limits: ChildLimits, work: Work, given: dict[str, Any], on_progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """The work's answer, from a fresh process that dies with this thread."""
    order = {"work": work, "given": given, "limits": asdict(limits), "parent": os.getpid()}
    try:
        return _answer(order, limits.seconds, on_progress)
    except BaseException:
        # A process that was killed could not tidy up.
        for name in WRITTEN:
            if given.get(name) is not None:
                given[name].unlink(missing_ok=True)
        raise


def _answer(order: dict[str, Any], seconds: float, on_progress: Callable[[float], None] | None) -> dict[str, Any]:
    until = time.monotonic() + seconds
    with subprocess.Popen(
        [sys.executable, "-m", "videos.media"],
        cwd=_ROOT,
        # The allocator's arenas, one for each thread otherwise, would hold what no thread needs any more.
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"MALLOC_ARENA_MAX": "2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            _ask(process, order)
            last_words, begun = bytearray(), False
            for said in _lines(process, until, last_words):
                begun = True
                if said.keys() - {"begins", "progress"}:
                    return _facts(said)
                if on_progress and "progress" in said:
                    on_progress(said["progress"])
            raise _why_it_ended(process, until, bytes(last_words), begun=begun)
        finally:
            process.kill()


def _ask(process: "subprocess.Popen[bytes]", order: dict[str, Any]) -> None:
    assert process.stdin  # noqa: S101 - it was asked for
    with suppress(BrokenPipeError):  # it is dead already: how it ended is seen below
        process.stdin.write(json.dumps(order, default=_plain).encode() + b"\n")
        process.stdin.flush()


def _plain(value: object) -> object:
    return asdict(value) if isinstance(value, Target) else str(value)


def _lines(process: "subprocess.Popen[bytes]", until: float, last_words: bytearray) -> Iterator[dict[str, Any]]:
    """What the child says on its output, until it ends or the time is over; the end of its errors goes into `last_words`."""
    assert process.stdout is not None  # noqa: S101 - it was asked for, as the other was
    assert process.stderr is not None  # noqa: S101
    with selectors.DefaultSelector() as both:
        both.register(process.stdout, selectors.EVENT_READ)
        both.register(process.stderr, selectors.EVENT_READ)
        begun = b""
        while both.get_map():
            ready = both.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise ReaderStopped(_NO_TIME_LEFT)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data:
                    both.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    last_words[:] = (last_words + data)[-_STDERR_KEPT:]
                else:
                    *whole, begun = (begun + data).split(b"\n")
                    yield from map(json.loads, whole)


def _facts(said: dict[str, Any]) -> dict[str, Any]:
    if "harm" in said:
        raise MediaError(said["message"], Harm(said["harm"]))
    if "errno" in said:
        raise OSError(said["errno"], said["message"], said["file"])
    facts: dict[str, Any] = said["facts"]
    return facts


def _why_it_ended(process: "subprocess.Popen[bytes]", until: float, last_words: bytes, *, begun: bool) -> Exception:
    """The child closed its output without an answer."""
    try:
        code = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return ReaderStopped(_NO_TIME_LEFT)
    ended_by = signal.Signals(-code) if code < 0 else None
    if begun and ended_by in _HARM:
        return MediaError(f"The video made its reader fail ({ended_by.name}).", _HARM[ended_by])
    error: Exception
    if not begun:
        error = ReaderStopped(f"The process that reads videos did not come to read ({ended_by.name if ended_by else f'exit {code}'}).")
    elif ended_by is not None:
        error = ReaderStopped(f"The process that reads videos was ended ({ended_by.name}).")
    else:
        error = MediaError(f"The video made its reader fail (exit {code}).", Harm.CRASH)
    error.add_note(ascii(last_words.decode(errors="replace")))  # may hold what the file says: never as it is into a log
    return error
