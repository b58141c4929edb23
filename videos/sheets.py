"""The sheet of a result's pictures: made of the video when somebody first asks for it, and kept and deleted with the result.

A row says that one is to be made, and when; messages to the media workers are hints that name none of them. A few are under way at
most: each that is done hints at the next, so that however many are asked for, the assembling of videos comes in between.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from conduit import clock
from tasks import dispatch, leases, paused
from tasks.models import Lane
from videos import rendering
from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.models import Video
from videos.sheet_models import TRIES_MAX, Spritesheet
from videos.storage import STORAGE_ERRORS, forget
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

# Hints that are under way at most, of all keys together.
HINTED_MAX = 4
# After the storage was away.
STORAGE_PAUSE = timedelta(minutes=1)
# A worker that began one and did not end it in this time is taken to be gone: several times what the longest video takes.
LEASE = timedelta(seconds=3 * rendering.LOOK_SECONDS_MAX)


@dataclass(frozen=True)
class _Claim:
    task_id: UUID
    tries: int  # this one too
    until: datetime  # and by it the row is known to be still ours


def ask_for(video: Video) -> Spritesheet:
    """The sheet of a video that is completed and was not deleted; it is made from now on where nobody has asked for it."""
    with transaction.atomic():
        sheet, is_new = Spritesheet.objects.get_or_create(task=video.task, defaults={"due_at": clock.now()})
        if is_new:
            transaction.on_commit(lambda: _hint(at_most=HINTED_MAX), robust=True)
    return sheet


def hint_due() -> None:
    """Have those made whose hints got lost, or whose maker was killed."""
    for _ in Spritesheet.objects.due(clock.now()).values_list("pk")[:HINTED_MAX]:
        _send()


def make_next() -> None:
    """Make one that is due: of a key taken at random, so that no key's many keep another's waiting."""
    if leases.begins_nothing():
        return
    if claim := _claim(clock.now()):
        try:
            _make(claim)
        finally:
            if Spritesheet.objects.due(clock.now()).exists():
                _send()


def _hint(*, at_most: int) -> None:
    if len(Spritesheet.objects.awaited().values_list("pk")[: at_most + 1]) <= at_most:
        _send()


def _send() -> None:
    dispatch.hint_upkeep("videos.jobs.make_spritesheet", Lane.MEDIA)


def _claim(now: datetime) -> _Claim | None:
    """One that is due and now is ours; None when there is none, or somebody else was quicker."""
    due = Spritesheet.objects.due(now)
    keys = list(due.order_by().values_list("task__key", flat=True).distinct())
    if not keys:
        return None
    of_key = due.filter(task__key=random.choice(keys))  # noqa: S311 - spreads work, guards nothing
    sheet = of_key.select_related("task").order_by("due_at").first()
    if sheet is None:
        return None
    mine = Spritesheet.objects.filter(pk=sheet.pk, due_at=sheet.due_at)
    if until := paused.end_of_hold(sheet.task, Lane.MEDIA):
        mine.update(due_at=until)
        return None
    if sheet.tries >= TRIES_MAX:  # the last to try it was killed
        mine.update(due_at=None)
        return None
    claim = _Claim(sheet.pk, sheet.tries + 1, now + LEASE)
    return claim if mine.update(due_at=claim.until, tries=claim.tries) else None


def _make(claim: _Claim) -> None:
    ours = Spritesheet.objects.filter(pk=claim.task_id, due_at=claim.until)
    video = Video.objects.delivered(claim.task_id)
    if video is None or not video.file:  # deleted meanwhile
        ours.delete()
        return
    try:
        name, size = rendering.render_sheet(task_id=claim.task_id, video_file=video.file, token=uuid.uuid4())
    except (MediaError, *STORAGE_ERRORS) as error:
        log.warning("no spritesheet", task_id=str(claim.task_id), error=str(error), kind=type(error).__name__)
        ours.update(**_after(error, claim))
        return
    # Where this raises, the row may name the file all the same: if it does not, a walk (videos.orphans) removes it.
    if not ours.update(file=name, size_bytes=size, due_at=None):  # deleted meanwhile, or made by another worker that came after us
        forget(name)


def _after(error: Exception, claim: _Claim) -> dict[str, Any]:
    """What the row says once making it failed so: a storage that is away is no try, and what cannot be read is not tried again."""
    match error:
        case MediaError(harm=Harm.REFUSED) | FileNotFoundError():
            return {"due_at": None}
        case MediaError() | ReaderStopped():
            return {"due_at": None if claim.tries >= TRIES_MAX else clock.now() + growing_pause(claim.tries)}
        case _:
            return {"due_at": clock.now() + STORAGE_PAUSE, "tries": claim.tries - 1}
