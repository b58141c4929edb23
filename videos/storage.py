"""The storage of clips, videos and thumbnails: where a task's files are, and what it means that it fails."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import default_storage

# What the storage or the disk raises when it cannot take or give a file right now.
# boto3's own come only of calls that we do not make (upload_file, download_file), and importing it is a twentieth of each start.
STORAGE_ERRORS = (OSError, BotoCoreError, ClientError)
# The folder of the folders of all tasks.
TASKS = "tasks"


def folder(task_id: UUID) -> str:
    """Where everything of a task is stored."""
    return f"{TASKS}/{task_id}"


def files_in(place: str) -> list[str]:
    """The names of the files in a folder; none when there is no such folder."""
    try:
        _, names = default_storage.listdir(place)
    except FileNotFoundError:
        return []
    return [f"{place}/{name}" for name in names if name]


@contextmanager
def forgotten_upon(error: type[BaseException], *names: str) -> Iterator[None]:
    """Files that belong to what is done in the block: they are removed when it ends with that error."""
    try:
        yield
    except error:
        for name in names:
            forget(name)
        raise


def forget(name: str) -> None:
    """Remove what a broken write left, if that can be done now: the sweep finds what stays."""
    with suppress(*STORAGE_ERRORS):
        default_storage.delete(name)
