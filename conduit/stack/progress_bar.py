"""A task's progress in a terminal: one line that changes, or plain lines where a line cannot change."""

from typing import TextIO

_WIDTH = 30


class ProgressBar:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._changes_in_place = out.isatty()
        self._shown: tuple[str, int] | None = None

    def show(self, *, progress: int, stage: str, eta_seconds: int | None) -> None:
        """`progress` in percent. Without a terminal a line comes with each new stage and every ten percent only."""
        left = f"about {eta_seconds} s left" if eta_seconds else ""
        if self._changes_in_place:
            done = _WIDTH * progress // 100
            self._write(f"\r\x1b[K[{'#' * done}{'.' * (_WIDTH - done)}] {progress:3d} %  {stage}  {left}".rstrip())
        elif (stage, progress // 10) != self._shown:
            self._shown = (stage, progress // 10)
            self._write(f"{progress:3d} %  {stage}  {left}".rstrip() + "\n")

    def end(self) -> None:
        """Leave the bar as it is, and go on below it."""
        if self._changes_in_place:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
