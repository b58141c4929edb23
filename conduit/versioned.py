"""What a process keeps of the database at a version, and reads anew when the version of now is another.

A table of one row holds the version, and triggers write another with each change of what is kept, however it is made, within the
transaction of the change. So a caller that knows the version of now need not read what it stands for, and misses nothing. SQLite has no
version: there nothing is kept, and all is read each time.
"""

import math
import time
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

Found = TypeVar("Found")


def version_in(table: str) -> str:
    """The version of now that this table holds, as a column of a statement that is made anyway."""
    return f"(SELECT version FROM {table} WHERE id = 1)"  # noqa: S608 - a table of ours


@dataclass
class Versioned(Generic[Found]):
    """The newest that this process has read. `seconds`: how long it is kept at most, where something else than the version tells on it."""

    seconds: float = math.inf
    _kept: tuple[UUID, float, Found] | None = None

    def at(self, version: UUID | None) -> Found | None:
        """What is kept, if it is of that version, and not too old."""
        kept = self._kept  # read once: another thread may keep another meanwhile
        return kept[2] if kept and kept[0] == version and time.monotonic() < kept[1] + self.seconds else None

    def keep(self, version: UUID | None, found: Found) -> Found:
        """Keep what was read after the version was: it is at least as new, and if newer, is read again next time."""
        self._kept = None if version is None else (version, time.monotonic(), found)
        return found

    def forget(self) -> None:
        """Have it read anew the next time."""
        self._kept = None
