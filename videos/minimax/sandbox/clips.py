"""The sandbox's videos on disk."""

import logging
import os
import queue
import threading
from pathlib import Path
from typing import BinaryIO

import av

from videos.minimax.sandbox.drawing import DrawnClip, draw

log = logging.getLogger(__name__)


class Clips:
    """Clips on disk, made one at a time: ahead of need in the background, or when somebody asks for one that is gone."""

    def __init__(self, folder: Path, *, kept: int) -> None:
        self._folder = folder
        self._kept = kept
        self._encoder = threading.Lock()
        self._wanted: queue.SimpleQueue[DrawnClip | None] = queue.SimpleQueue()
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

    def prepare(self, clip: DrawnClip) -> None:
        self._wanted.put(clip)

    def open(self, clip: DrawnClip) -> BinaryIO:
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

    def _make(self, clip: DrawnClip, path: Path) -> None:
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
