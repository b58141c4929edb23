"""The child's side of `videos.media.child`: one order on the input, progress and one answer on the output, a line of JSON each."""

import ctypes
import errno
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, get_args

from videos.media.assembling import assemble, probe
from videos.media.confinement import confine
from videos.media.errors import Harm, MediaError
from videos.media.facts import ClipFacts, SheetFacts, Target, VideoFacts
from videos.media.orders import WRITTEN, Work
from videos.media.sheets import draw_spritesheet

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# What workers of the release before say: an upgrade replaces these files while they still run. Until the next release.
_FORMER = {"inspect": "probe", "wish": "target"}


def main() -> None:
    order = json.loads(sys.stdin.readline())
    order["work"] = _FORMER.get(order["work"], order["work"])
    order["given"] = {_FORMER.get(name, name): value for name, value in order["given"].items()}
    if order["work"] not in get_args(Work):  # another release's: it has not begun, and so says nothing of the file
        sys.exit(f"There is no such work: {order['work']}")
    _die_with(order["parent"])
    _limit(**order["limits"])
    confine(**_places(order["given"]))
    # Some of FFmpeg's libraries print: what they say must not get between the lines of the answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1) as output:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        _tell(output, {"begins": True})  # from here on, how this process ends says something of the file
        _tell(output, _answer(order, _Progress(output)))


def _answer(order: dict[str, Any], on_progress: Callable[[float], None]) -> dict[str, Any]:
    try:
        return {"facts": asdict(_done(order["work"], order["given"], on_progress))}
    except MediaError as error:
        return {"harm": error.harm.value, "message": str(error)}
    except MemoryError:
        return {"harm": Harm.MEMORY.value, "message": "The video needs more memory than it may have."}
    except OSError as error:
        if error.errno == errno.EFBIG:
            return {"harm": Harm.SIZE.value, "message": "The video would be larger than it may be."}
        return {"errno": error.errno or errno.EIO, "message": error.strerror or "", "file": str(error.filename or "")}


def _places(given: dict[str, Any]) -> dict[str, list[Path]]:
    """What an order reads, and the folders of what it writes."""
    written = (given.get(name) for name in WRITTEN)
    return {
        "reads": [Path(clip) for clip in given.get("clips") or [given["clip"]]],
        "works_in": [Path(path).parent for path in written if path is not None],
    }


def _done(work: str, given: dict[str, Any], on_progress: Callable[[float], None]) -> ClipFacts | VideoFacts | SheetFacts:
    if work == "probe":
        return probe(Path(given["clip"]), last_frame=None if given["last_frame"] is None else Path(given["last_frame"]))
    if work == "draw_spritesheet":
        return draw_spritesheet(Path(given["clip"]), sheet=Path(given["sheet"]))
    clips = [Path(clip) for clip in given["clips"]]
    return assemble(clips, Target(**given["target"]), Path(given["video"]), Path(given["thumbnail"]), on_progress=on_progress)


class _Progress:
    """Told at every frame, tells at every hundredth."""

    def __init__(self, output: TextIO) -> None:
        self._output, self._told = output, -1

    def __call__(self, share: float) -> None:
        if int(share * 100) > self._told:
            self._told = int(share * 100)
            _tell(self._output, {"progress": share})


def _tell(output: TextIO, what: dict[str, Any]) -> None:
    output.write(json.dumps(what) + "\n")


def _limit(*, seconds: float, cpu_seconds: int, memory_bytes: int, file_bytes: int) -> None:
    """`seconds` on the clock are the parent's to watch."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no picture of the memory behind


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends. Linux only; elsewhere it does nothing."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
