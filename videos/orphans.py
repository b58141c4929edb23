"""Files in the storage that no row names: of steps that were outrun or killed after their task's own sweep, or of another database.

A walk goes through all folders of tasks, some at a time. Of a task that ended and was swept (videos.cleanup) whatever is not its
result is nobody's any more, once it is older than any step may still be. Of one that was not, its own sweep takes care. Folders of
tasks that the database does not know are counted, and removed by `manage.py remove_orphans --unknown` alone: they are what was made
after the backup that was restored, or of others that store in the same place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.core.files.storage import FileSystemStorage, default_storage
from django.db.models import F, Q

from conduit.metrics import note
from tasks import leases
from tasks.ids import parse_task_id
from tasks.models import ACTIVE, Task, no_lease
from videos import stored_folders
from videos.metrics import ORPHANS
from videos.models import Clip, Video
from videos.sheet_models import Spritesheet
from videos.storage import TASKS
from videos.storage_models import StorageWalk
from videos.stored_folders import Folder

log = structlog.get_logger(__name__)

# Older than any step may be whose outcome still counts, many times over, and than the clocks of two hosts differ.
OLD_ENOUGH = timedelta(days=1)
# Folders looked at once a minute, in a fraction of a second; and between the end of a walk and the next.
FOLDERS, PAUSE = 500, timedelta(hours=6)
WALKS_KEPT = 10


@dataclass(frozen=True)
class Found:
    """What is wrong with some folders."""

    orphans: Sequence[str]  # files of tasks that are known
    unknown: Sequence[Folder]
    empty: Sequence[str]  # folders of known tasks in which nothing would be left


def go_on(now: datetime) -> None:
    """Do the next piece of a walk, and begin one when the last is long over."""
    if leases.begins_nothing():
        return
    walk = _under_way(now)
    if walk is None:
        return
    folders = stored_folders.after(default_storage, walk.after, FOLDERS)
    found = look(folders, now)
    removed = remove(found)
    mine = StorageWalk.objects.filter(pk=walk.pk, after=walk.after, ended_at=None)
    if folders:
        mine.update(after=folders[-1].name, removed=F("removed") + removed, unknown=F("unknown") + len(found.unknown))
        return
    mine.update(ended_at=now)
    StorageWalk.objects.exclude(pk__in=list(StorageWalk.objects.order_by("-pk").values_list("pk", flat=True)[:WALKS_KEPT])).delete()


def all_folders() -> Iterator[Sequence[Folder]]:
    """Everything that is stored of tasks, some folders at a time."""
    last = ""
    while folders := stored_folders.after(default_storage, last, FOLDERS):
        yield folders
        last = folders[-1].name


def last_walk() -> StorageWalk | None:
    """The last that came to its end."""
    return StorageWalk.objects.exclude(ended_at=None).order_by("-pk").first()


def look(folders: Sequence[Folder], now: datetime, old_enough: timedelta = OLD_ENOUGH) -> Found:
    """What of them is nobody's. `old_enough`: how old each file of a folder of a task that is not known must be."""
    by_task = {task_id: folder for folder in folders if (task_id := parse_task_id(folder.name))}
    # The rows are read after the files: what was stored since is not among these, and what was before is named by now.
    kept = _kept(by_task, now)
    known = set(Task.objects.filter(pk__in=by_task).values_list("pk", flat=True))
    unknown = [folder for pk, folder in by_task.items() if pk not in known and folder.files and _all_older(folder, now - old_enough)]
    orphans, empty = [], []
    for task_id, names in kept.items():
        files = by_task[task_id].files
        lost = [file.name for file in files if file.name not in names and file.changed_at < now - OLD_ENOUGH]
        orphans += lost
        if len(lost) == len(files) and not any(names):
            empty.append(f"{TASKS}/{task_id}")
    at_work = _at_work(orphans)
    return Found([name for name in orphans if name not in at_work], unknown, empty)


def remove(found: Found, *, unknown: bool = False) -> int:
    """Remove what is nobody's, `unknown`: and what belongs to tasks that are not known; how many files.

    Raises:
        STORAGE_ERRORS: the next walk finds what is left.
    """
    folders = [f"{TASKS}/{folder.name}" for folder in found.unknown] if unknown else []
    names = [*found.orphans, *(file.name for folder in found.unknown if unknown for file in folder.files)]
    for name in names:
        default_storage.delete(name)
    if isinstance(default_storage, FileSystemStorage):
        for folder in (*found.empty, *folders):
            _remove_if_empty(folder)
    if names:
        log.info("removed files that no row names", count=len(names), first=names[0])
        note(ORPHANS, amount=len(names))
    return len(names)


def _under_way(now: datetime) -> StorageWalk | None:
    walk = StorageWalk.objects.order_by("-pk").first()
    if walk and (walk.ended_at is None or walk.ended_at > now - PAUSE):
        return None if walk.ended_at else walk
    return StorageWalk.objects.get_or_create(ended_at=None, defaults={"began_at": now})[0]


def _kept(task_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, tuple[str, ...]]:
    """The names of the files that belong to each task that is over for good, and of which nobody makes anything."""
    awaited = Spritesheet.objects.filter(pk__in=task_ids).values_list("pk", "file", "due_at")
    sheets = {pk: (file, due_at) for pk, file, due_at in awaited}
    over = Video.objects.filter(no_lease(now, "task__"), pk__in=task_ids, swept_at__isnull=False).exclude(task__status__in=ACTIVE)
    return {
        pk: (file, thumbnail, sheets.get(pk, ("", None))[0])
        for pk, file, thumbnail in over.values_list("pk", "file", "thumbnail")
        if pk not in sheets or sheets[pk][1] is None
    }


def _at_work(names: Sequence[str]) -> set[str]:
    """Those with which a task works that is under way."""
    clips = (
        Clip.objects.filter(Q(file__in=names) | Q(last_frame__in=names), video__task__status__in=ACTIVE) if names else Clip.objects.none()
    )
    return {name for pair in clips.values_list("file", "last_frame") for name in pair}


def _all_older(folder: Folder, than: datetime) -> bool:
    return all(file.changed_at < than for file in folder.files)


def _remove_if_empty(folder: str) -> None:
    try:
        default_storage.delete(folder)
    except OSError as error:  # something came into it at this moment
        log.info("a folder stays", folder=folder, error=type(error).__name__)
