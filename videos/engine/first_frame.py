"""The image that a video begins with. MiniMax makes it within the call, for a fraction of a cent."""

from typing import IO, Unpack, cast

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import F

from conduit import clock
from tasks.leases import LeaseLost
from tasks.written import TaskFields
from videos import failures
from videos.accounts import breakers
from videos.accounts.calling import account_of, images_for
from videos.engine.answers import CREATES_MAX, refused
from videos.engine.step import Step, fail, try_again, wait, wait_for_storage
from videos.engine.submission import intend
from videos.engine.written import ClipFields
from videos.minimax.download import Download
from videos.minimax.errors import MiniMaxError, Outcome
from videos.models import Clip, ClipState
from videos.stages import Stage
from videos.storage import STORAGE_ERRORS, folder, forget, forgotten_upon

# Tries to fetch one image before another is made.
FETCHES_MAX = 3
_UNSENT: ClipFields = {"state": ClipState.PLANNED, "sent_at": None, "account": None}


def submit(step: Step, clip: Clip) -> None:
    """Have it made."""
    if not intend(step, clip):
        return
    images = images_for(clip)
    try:
        with step.lease.kept_alive():
            image = images.create(prompt=step.video.prompt, upstream=clip.upstream, aspect_ratio=clip.ratio)
    except MiniMaxError as error:
        breakers.failed(account_of(clip), error, ordering=True, upstream=clip.upstream)
        if error.outcome is Outcome.UNKNOWN:
            _anew(step, creates=clip.creates + 1)
        else:
            refused(step, clip, error)
        return
    breakers.answered(account_of(clip), ordering=True, upstream=clip.upstream)
    now = clock.now()
    made: ClipFields = {"submitted_at": now, "made_at": now, "billed": F("billed") + clip.cost}
    leg = step.leg(step.made_goal, 0, rest=step.task.rest_seconds - clip.expected_seconds)
    if image.url:
        step.write(clip=made | {"state": ClipState.LOCATED, "download_url": image.url}, begins=True, stage=Stage.PREPARING, **leg)
        return
    with images.open(image) as content:
        _store(step, clip, content, made, begins=True, stage=Stage.PREPARING, **leg)


def order_anew(step: Step, clip: Clip) -> None:
    """A process died between the intent and the answer."""
    _anew(step, creates=clip.creates)


def _anew(step: Step, *, creates: int) -> None:
    """Whether it was made is not known. Unlike a clip it may be ordered again: twice paid, it is still a fraction of a cent."""
    if creates >= CREATES_MAX:
        fail(step, failures.LOST_CREATE)
    else:
        try_again(step, clip=_UNSENT)


def fetch(step: Step, clip: Clip) -> None:
    """Stream it into our storage."""
    try:
        with step.lease.kept_alive(), images_for(clip).download(clip.download_url) as stream:
            _store(step, clip, stream, {"download_url": ""})
    except MiniMaxError as error:
        # Only the answer of its create held the link: a dead one means a new image.
        wait(step, error, clip=_UNSENT | {"download_url": ""} if step.task.attempts >= FETCHES_MAX else None)


def _store(step: Step, clip: Clip, content: Download, facts: ClipFields, *, begins: bool = False, **task: Unpack[TaskFields]) -> None:
    """Keep it as the frame from which the first clip goes on: there is nothing in it to look into."""
    name = f"{folder(step.task.pk)}/clip-{clip.number}-{step.lease.token.hex[:12]}.jpg"
    try:
        stored = default_storage.save(name, File(cast(IO[bytes], content), name=name))
    except STORAGE_ERRORS as error:
        forget(name)
        wait_for_storage(step, error)
        return
    except MiniMaxError:
        forget(name)
        raise
    with forgotten_upon(LeaseLost, stored):
        now = clock.now()
        kept: ClipFields = {"state": ClipState.READY, "file": stored, "last_frame": stored, "fetched_at": now, "ready_at": now}
        step.write(clip=facts | kept, begins=begins, **task)
