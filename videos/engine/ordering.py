"""Posting a clip to MiniMax, once: the only step that may not simply be run again."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.files.storage import default_storage

from conduit import clock
from tasks import dispatch
from tasks.leases import LeaseLost
from tasks.models import Lane
from videos import failures, storage_check
from videos.account_models import ProviderAccount
from videos.accounts import breakers, choosing
from videos.accounts.calling import account_of, heard, provider_for
from videos.accounts.choosing import NoRoom
from videos.engine import lining
from videos.engine.job import Job, fail, is_held, poll_pause, wait, wait_for_storage
from videos.failures import Failure
from videos.inputs import Role, of_role
from videos.minimax.errors import Blame, MiniMaxError, Outcome, Undecided
from videos.minimax.provider import Order
from videos.models import Clip, ClipState
from videos.stages import Stage
from videos.storage import STORAGE_ERRORS

log = structlog.get_logger(__name__)

# "Again, at most three times": a create that MiniMax answered with an internal error was refused.
CREATES_MAX = 4
# A job that MiniMax accepted is in its list by then; only after it "not in the list" means that it was not accepted.
LISTED_WITHIN = timedelta(seconds=60)


def submit(job: Job, clip: Clip) -> None:
    """Post the clip: the intent first, so that whoever comes after a crash knows that it may have been sent."""
    try:
        order = _with_pictures(_order(job, clip), job, clip)
    except FileNotFoundError:
        _look_again(job)
        return
    except STORAGE_ERRORS as error:
        wait_for_storage(job, error)
        return
    if not intend(job, clip):
        return
    client = provider_for(clip)
    try:
        with job.lease.kept_alive():
            provider_task_id = client.create(order)
    except MiniMaxError as error:
        breakers.failed(account_of(clip), error, ordering=True, upstream=clip.upstream)
        if error.outcome is Outcome.UNKNOWN and client.can_find_lost:
            wait(job, error)
        else:
            refused(job, clip, error)
    else:
        try:
            _accepted(job, clip, provider_task_id)
        finally:
            breakers.answered(account_of(clip), ordering=True, upstream=clip.upstream)


def intend(job: Job, clip: Clip) -> bool:
    """Store that the clip is being sent, and with which account. False when it is not, because sending is paused, what came of it
    could not be stored, no account has room, or the task waited too long. A pause that is made after it was looked for here stops
    the next clip, not this one.
    """
    trouble = storage_check.trouble()  # which may take a moment
    if is_held(job, Lane.PROVIDER):
        return False
    if trouble:
        wait_for_storage(job, OSError(trouble))
        return False
    now = clock.now()
    if late := failures.overdue(job.task, job.clips, now):
        fail(job, late)
        return False
    place = lining.place_of(job)
    if place and place.called_at is None:
        lining.stay(job, place)
        return False
    try:
        clip.account = choosing.choose(job.task, clip, lambda account: _intend_with(job, clip, account), called=place)
    except NoRoom as none:
        if none.passes:
            lining.stand(job, clip, had_turn=place is not None, deals=none.until is not None and none.until <= now)
        else:
            wait(job, none.error, until=none.until)
        return False
    return True


def _intend_with(job: Job, clip: Clip, account: ProviderAccount) -> None:
    now = clock.now()
    intent = {"state": ClipState.SUBMITTING, "sent_at": now, "creates": clip.creates + 1, "account": account}

    def first() -> None:
        choosing.take(account, clip, now)
        lining.left(job)

    job.note(clip=intent, first=first, **lining.leaving(job))


def _with_pictures(order: Order, job: Job, clip: Clip) -> Order:
    """With what the clip is given beside its prompt, and the picture from which it goes on, if it does.

    Raises:
        FileNotFoundError: the storage lost that picture.
        STORAGE_ERRORS: the storage cannot give them now.
    """
    if clip.start == Clip.Start.PREVIOUS and job.before:
        order = replace(order, first_frame=_stored(job.before.last_frame))
    try:
        given = {role: tuple(_stored(one["file"]) for one in of_role(clip.inputs, role)) for role in Role}
    except FileNotFoundError as error:
        raise OSError(f"a picture that was given is gone: {error}") from error  # nothing here makes it anew
    return replace(
        order,
        first_frame=next(iter(given[Role.FIRST_FRAME]), order.first_frame),
        last_frame=next(iter(given[Role.LAST_FRAME]), None),
        references=given[Role.REFERENCE],
    )


def _stored(name: str) -> bytes:
    with default_storage.open(name) as file:
        return bytes(file.read())


def _order(job: Job, clip: Clip) -> Order:
    """What MiniMax is asked for, in words."""
    return Order(
        upstream=clip.upstream,
        prompt=job.video.prompt,
        seconds=clip.seconds if clip.sends_size else None,
        resolution=clip.resolution if clip.sends_size else None,
        ratio=clip.ratio or None,
        # Each link of a chain would be given other words, and become another scene.
        prompt_optimizer=False if len(job.clips) > 1 else job.video.prompt_optimizer,
        watermark=clip.watermark,
    )


def _look_again(job: Job) -> None:
    """The storage lost the frame: the clip before, which ends with it, is looked into once more; an image is made anew."""
    before = job.before
    if before is None:
        return
    log.error("stored frame is gone", clip=before.number)
    before.state = ClipState.PLANNED if before.makes == Clip.Makes.IMAGE else ClipState.STORED
    job.write(clip={"state": before.state, "last_frame": ""})


def _accepted(job: Job, clip: Clip, provider_task_id: str) -> None:
    now = clock.now()
    sent = {"state": ClipState.SUBMITTED, "submitted_at": now, "provider_task_id": provider_task_id, "billed": clip.cost}
    leg = job.leg(job.made_goal, clip.expected_seconds, rest=job.task.rest_seconds - clip.expected_seconds)
    try:
        job.write(clip=sent, begins=True, next_step_at=now + poll_pause(), stage=Stage.PREPARING, **leg)
    except LeaseLost:
        # Cancelled while the call was under way: MiniMax makes and bills the clip all the same, so its id is kept, and called off.
        job.lease.insist(lambda: _keep_the_id(job, clip, sent))
        raise


def _keep_the_id(job: Job, clip: Clip, sent: dict[str, Any]) -> None:
    Clip.objects.filter(pk=clip.pk, state=ClipState.SUBMITTING).update(**sent)
    job.write_what_was_said()
    dispatch.hint_cancelled_on_commit(job.task.pk, job.task.kind)


def refused(job: Job, clip: Clip, error: MiniMaxError) -> None:
    """What follows a create that did not succeed: only one that was certainly refused may be posted again."""
    unsent = {"state": ClipState.PLANNED, "sent_at": None, "account": None}
    match error.outcome:
        case Outcome.FINAL | Outcome.UNKNOWN:
            fail(job, Failure.of(error))
        case Outcome.AGAIN if clip.creates + 1 >= CREATES_MAX:
            fail(job, Failure.of(error))
        case Outcome.AGAIN:
            wait(job, error, clip=unsent)
        case Outcome.LATER | Outcome.OPERATOR:
            # It says nothing about this clip, so it does not count against it.
            _leave_the_account(job, clip, error, unsent | {"creates": clip.creates})


def _leave_the_account(job: Job, clip: Clip, error: MiniMaxError, unsent: dict[str, Any]) -> None:
    """Another account takes over at once; without one the task waits until its own may be ordered with again.

    What was ordered in its turn, and refused for no doing of its own, keeps that turn.
    """
    if error.blame is Blame.RATE:
        lining.stand(job, clip, unsent=unsent, had_turn=True, trouble=error.code)
    elif choosing.elsewhere(job.task, clip, than=account_of(clip)):
        log.info("another account takes over", code=error.code)
        job.write(clip=unsent, attempts=job.task.attempts, trouble=error.code)
    else:
        wait(job, error, clip=unsent, until=choosing.when(job.task, clip))


# ---- A create whose answer was lost --------------------------------------------------------------------------------------


def find_lost(job: Job, clip: Clip) -> None:
    """The answer was lost, or a process died between the intent and the answer: MiniMax may have accepted, or not."""
    try:
        client = provider_for(clip)
    except MiniMaxError as error:
        wait(job, error)
        return
    if not client.can_find_lost or clip.sent_at is None:
        fail(job, failures.LOST_CREATE)
        return
    if _has_a_twin(clip, clip.sent_at):
        # It may only be under way: when its answer is there, the list tells them apart.
        if not _look_later(job, clip.sent_at):
            fail(job, failures.LOST_CREATE)
        return
    try:
        # MiniMax's list does not show the frames of a job.
        with heard(clip):
            found = client.find_lost(_order(job, clip), sent_after=clip.sent_at, known_ids=_known_ids(clip, clip.sent_at))
    except Undecided:
        fail(job, failures.LOST_CREATE)
    except MiniMaxError as error:
        wait(job, error)
    else:
        _found(job, clip, found, clip.sent_at)


def _found(job: Job, clip: Clip, provider_task_id: str | None, sent_at: datetime) -> None:
    if provider_task_id:
        log.info("lost create found", clip=clip.number)
        _accepted(job, clip, provider_task_id)
    elif _look_later(job, sent_at):
        return
    elif clip.creates >= CREATES_MAX:
        fail(job, failures.LOST_CREATE)
    else:
        job.write(clip={"state": ClipState.PLANNED, "sent_at": None, "account": None})


def _look_later(job: Job, sent_at: datetime) -> bool:
    """Whether it is too early to tell; then it is looked for again when it is not."""
    if clock.now() - sent_at >= LISTED_WITHIN:
        return False
    job.write(next_step_at=sent_at + LISTED_WITHIN, attempts=job.task.attempts)
    return True


def _has_a_twin(clip: Clip, sent_at: datetime) -> bool:
    """Whether another order that MiniMax's list does not tell from this one was sent about then and has no answer either."""
    same = {name: getattr(clip, name) for name in ("api", "upstream", "seconds", "resolution", "ratio")}
    near = (sent_at - LISTED_WITHIN, sent_at + LISTED_WITHIN)
    return Clip.objects.filter(state=ClipState.SUBMITTING, sent_at__range=near, **same).exclude(pk=clip.pk).exists()


def _known_ids(clip: Clip, sent_at: datetime) -> set[str]:
    """The jobs of other clips that were accepted about then: `find_lost` looks back a little, for clocks differ."""
    others = Clip.objects.filter(api=clip.api, submitted_at__gte=sent_at - timedelta(hours=1)).exclude(provider_task_id="")
    return set(others.values_list("provider_task_id", flat=True))
