"""The folders of tasks in the storage, in the order of their names and some at a time, however many there are."""

import heapq
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage, Storage

from videos.storage import TASKS


@dataclass(frozen=True)
class Entry:
    """A stored file. `changed_at` is by the storage's own clock, which need be nobody else's."""

    name: str
    changed_at: datetime


@dataclass(frozen=True)
class Folder:
    """`name` is a task's id, where it is one of ours."""

    name: str
    files: Sequence[Entry]


def after(storage: Storage, name: str, limit: int) -> Sequence[Folder]:
    """The next folders after that of this name ("": from the first on); none when there are no more.

    Raises:
        STORAGE_ERRORS: it does not tell.
    """
    return _on_disk(storage, name, limit) if isinstance(storage, FileSystemStorage) else _on_s3(storage, name)


def _on_disk(storage: FileSystemStorage, name: str, limit: int) -> Sequence[Folder]:
    root = Path(storage.path(TASKS))
    try:
        with os.scandir(root) as entries:
            names = heapq.nsmallest(limit, (entry.name for entry in entries if entry.name > name and entry.is_dir(follow_symlinks=False)))
    except FileNotFoundError:
        return []
    return [Folder(found, _files(root / found)) for found in names]


def _files(folder: Path) -> Sequence[Entry]:
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed at this moment
                if entry.is_file(follow_symlinks=False):
                    changed_at = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
                    found.append(Entry(f"{TASKS}/{folder.name}/{entry.name}", changed_at))
    return found


def _on_s3(storage: Any, name: str) -> Sequence[Folder]:
    """One page of keys, which tells their times too. Of a folder that the page cuts, nothing is told unless there is no other."""
    keys, is_cut = storage.page(f"{TASKS}/", f"{TASKS}/{name}0" if name else "")  # "0" comes after the "/" of all that is in it
    found = [
        Folder(of, [Entry(key, changed_at) for key, changed_at in files])
        for of, files in groupby(keys, key=lambda found: found[0].removeprefix(f"{TASKS}/").partition("/")[0])
    ]
    return found[:-1] if is_cut and len(found) > 1 else found
