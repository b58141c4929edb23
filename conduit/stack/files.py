"""Files in CONDUIT_HOME that only their owner may read."""

import fcntl
import os
from pathlib import Path
from typing import IO

from conduit.stack.errors import CannotStart

LOG_BYTES_MAX = 10 * 1024 * 1024


def write_private(path: Path, text: str) -> None:
    """Write the file whole or not at all, readable by its owner alone from its first byte on."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def private_folder(path: Path) -> Path:
    """The folder, made if it is missing; CannotStart when this user cannot write there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"{path} cannot be made ({error.strerror}). Set CONDUIT_HOME to a folder that you may write to.") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise CannotStart(f"{path} cannot be written to. Set CONDUIT_HOME to a folder that you may write to.")
    return path


def open_log(path: Path) -> IO[bytes]:
    """The log to append to; one that grew over LOG_BYTES_MAX is put aside as NAME.log.1 first."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def tail(path: Path, lines: int = 15) -> list[str]:
    """The last lines of a log, however long the log is."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200 * lines))
        return file.read().decode(errors="replace").splitlines()[-lines:]


class HomeLock:
    """Held while a stack runs on this CONDUIT_HOME; the kernel lets go of it when the holder dies."""

    def __init__(self, home: Path) -> None:
        self._file = os.fdopen(os.open(home / "stack.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise CannotStart(f"A stack already runs on CONDUIT_HOME {home}. Stop it, or set CONDUIT_HOME to another folder.") from None

    def release(self) -> None:
        self._file.close()
