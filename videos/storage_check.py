"""Whether the storage takes, gives and removes a file, as each worker finds out for itself: at its start, and each minute.

It is known before anything is paid for whose result could not be kept: a worker whose storage fails orders nothing. The tasks
wait, and another worker that has no such trouble may order for them.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from botocore.exceptions import ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage, storages
from django.db import connection

from conduit import clock, conditions
from conduit.conditions import Condition, Severity
from videos.storage import files_in, forget

log = structlog.get_logger(__name__)

# Between two tries, while the storage is well and while it is not.
CHECK_SECONDS, CHECK_SECONDS_IN_TROUBLE = 45.0, 10.0
# A try that takes longer is told of before it ends: a storage that hangs keeps it for minutes.
SILENT_SECONDS, SILENT = 10.0, "It does not answer."
# What was found counts for so long where no thread looks again, or could not come to it.
KNOWN_SECONDS = 2 * CHECK_SECONDS
# More than a disk still has that says it is full.
CONTENT_BYTES = 64 * 1024
FOLDER = "checks"
# A file that is older was left by a process that was killed in between.
LEFT_OVER = timedelta(hours=1)

STORAGE = Condition(
    name="storage",
    severity=Severity.DEGRADED,
    says="A worker cannot store files: it orders no clips, and what was made waits.",
    found_by="Each worker writes, reads and deletes a file when it starts and every 45 seconds, and tells after ten that it does not "
    "answer.",
    what_to_do="See that the storage answers, that the bucket (or the folder CONDUIT_HOME/media) exists and has room, and that the "
    "workers of that host may write, read and delete there. Videos go on by themselves, and nothing that MiniMax made is paid for twice.",
)


@dataclass(frozen=True)
class Finding:
    storage: Storage
    at: float  # on the monotonic clock
    trouble: str | None


_last: Finding | None = None
_doubted = threading.Event()
_trying = threading.Lock()


def _after_fork() -> None:
    """A child that was made while its parent tried would find it tried for ever."""
    global _trying
    _trying = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def trouble() -> str | None:
    """What is wrong with the storage, in a sentence for operators; None when nothing is. Tries it when nobody did lately."""
    found = _last
    if found and found.storage is storages["default"]:
        age = time.monotonic() - found.at
        if age < (CHECK_SECONDS_IN_TROUBLE if found.trouble else KNOWN_SECONDS):
            return found.trouble
    # A storage that is silent keeps one of us waiting, not all.
    if not _trying.acquire(blocking=False):
        return found.trouble if found and found.trouble else "It has not answered yet."
    try:
        return check()
    finally:
        _trying.release()


def doubt() -> None:
    """Something just failed there: this process' thread looks again at once, if it has one (a media worker's children have none)."""
    _doubted.set()


def check() -> str | None:
    """Write, read and delete one file, and keep what came of it."""
    global _last
    found = _try()
    if found and not (_last and _last.trouble == found):
        log.error("storage fails", trouble=found)
    _last = Finding(storages["default"], time.monotonic(), found)
    return found


def check_within(seconds: float) -> str | None:
    """What `check` finds, or that the storage does not answer for so long; the check goes on by itself then."""
    found: list[str | None] = []
    checking = threading.Thread(target=lambda: found.append(check()), name="storage", daemon=True)
    checking.start()
    checking.join(seconds)
    return found[0] if found else SILENT


def _try() -> str | None:
    name = f"{FOLDER}/{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    content = os.urandom(CONTENT_BYTES)
    doing = "write"
    try:
        storage = _storage()
        name = storage.save(name, ContentFile(content))
        doing = "read"
        with storage.open(name) as file:
            came_back = file.read()
        doing = "delete"
        storage.delete(name)
    except Exception as error:  # noqa: BLE001 - whatever it is, the storage does not do its work
        if doing == "read":
            forget(name)
        return f"It cannot {doing} a file: {_words(error)}."
    return None if came_back == content else "A file does not come back as it was written."


def _storage() -> Storage:
    """S3 without threads of its own: the doctor could not end before they do."""
    storage = storages["default"]
    alone = getattr(storage, "alone", None)  # asked so, since boto3 is not imported where there is no bucket
    return alone() if alone else storage


def _words(error: Exception) -> str:
    """Short, and the same each time."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or "refused")
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def start() -> None:
    """Check for as long as this process lives, in a thread, and report what is found."""
    threading.Thread(target=_check_on, name="storage", daemon=True).start()


def _check_on() -> None:
    while True:
        _doubted.clear()
        if _check_once():
            time.sleep(CHECK_SECONDS_IN_TROUBLE)
        else:
            _doubted.wait(CHECK_SECONDS)


def _check_once() -> str | None:
    with _silence_told(), _trying:  # told also while it is another thread's try that hangs
        found = check()
    _report(found)
    return found


@contextmanager
def _silence_told() -> Iterator[None]:
    """Tell that the storage does not answer for as long as the block lasts longer than it should."""
    over = threading.Event()
    telling = threading.Thread(target=_tell_of_silence, args=(over,), name="storage is silent", daemon=True)
    telling.start()
    try:
        yield
    finally:
        over.set()
        telling.join()


def _tell_of_silence(over: threading.Event) -> None:
    global _last
    while not over.wait(SILENT_SECONDS):
        if not (_last and _last.trouble):
            log.error("storage fails", trouble=SILENT)
        _last = Finding(storages["default"], time.monotonic(), SILENT)
        _report(SILENT)


def _report(found: str | None) -> None:
    try:
        conditions.report(STORAGE.name, subject=socket.gethostname(), detail=found)
    finally:
        connection.close()


def remove_leftovers() -> None:
    """Remove the files of processes that were killed in the middle of a check."""
    for name in files_in(FOLDER):
        if clock.now() - default_storage.get_modified_time(name) > LEFT_OVER:
            default_storage.delete(name)
