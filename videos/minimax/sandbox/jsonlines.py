"""A file of JSON lines that outlives its writer: what was appended is there after a SIGKILL."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Records hold a prompt of at most 7,000 characters: far below.
_LONGEST_LINE = 1024 * 1024


class JsonLines:
    """An append-only file of objects, one a line, for one writing process and any of its threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        _cut_torn_end(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        with self._lock:
            end = os.fstat(self._descriptor).st_size
            if os.write(self._descriptor, line) != len(line):
                # A full disk took a part of it: the next record must not be glued to that.
                os.ftruncate(self._descriptor, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as lines:
            for line in lines:
                # A line that is being written right now has no end yet.
                if line.endswith(b"\n"):
                    yield json.loads(line)

    def close(self) -> None:
        os.close(self._descriptor)


def _cut_torn_end(path: Path) -> None:
    """Drop a last line whose writer died inside it, or the next record would be glued to it."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)
