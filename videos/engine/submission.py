"""Posting a clip to MiniMax, once: the only step that may not simply be run again."""

from dataclasses import replace

import structlog
from django.core.files.storage import default_storage

from conduit import clock
from tasks.models import Lane
from videos import failures, storage_check
from videos.account_models import ProviderAccount
from videos.accounts import breakers, choosing
from videos.accounts.calling import account_of, provider_for
from videos.accounts.choosing import NoRoom
from videos.callbacks import addresses as callbacks
from videos.callbacks import refusals
from videos.engine import lining
from videos.engine.answers import accepted, lost, refused, without_callback
from videos.engine.step import Step, fail, is_held, wait, wait_for_storage
from videos.engine.written import ClipFields
from videos.inputs import Role, of_role
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.provider import Order
from videos.models import Clip, ClipState
from videos.storage import STORAGE_ERRORS

log = structlog.get_logger(__name__)


def submit(step: Step, clip: Clip) -> None:
    """Post the clip: the intent first, so that the step after a crash knows that it may have been sent."""
    try:
        order = _with_pictures(_order(step, clip), step, clip)
    except FileNotFoundError:
        _look_again(step)
        return
    except STORAGE_ERRORS as error:
        wait_for_storage(step, error)
        return
    if not intend(step, clip):
        return
    client, account = provider_for(clip), account_of(clip)
    order = replace(order, callback_url=callbacks.url_for(clip, account, clock.now(), number=clip.creates + 1))
    try:
        with step.lease.kept_alive():
            provider_task_id = client.create(order)
    except MiniMaxError as error:
        breakers.failed(account, error, ordering=True, upstream=clip.upstream)
        if error.outcome is Outcome.UNKNOWN:
            lost(step, clip)
        elif order.callback_url and refusals.is_about_the_url(error):
            refusals.note_refusal(account, error)
            without_callback(step, clip)
        else:
            refused(step, clip, error)
    else:
        try:
            accepted(step, clip, provider_task_id)
        finally:
            breakers.answered(account, ordering=True, upstream=clip.upstream)
            if order.callback_url:
                refusals.note_success(account)


def intend(step: Step, clip: Clip) -> bool:
    """Store that the clip is being sent, and with which account. False when it is not, because sending is paused, what came of it
    could not be stored, no account has room, or the task waited too long. A pause that is made after it was looked for here stops
    the next clip, not this one.
    """
    trouble = storage_check.trouble()  # which may take a moment
    if is_held(step, Lane.PROVIDER):
        return False
    if trouble:
        wait_for_storage(step, OSError(trouble))
        return False
    now = clock.now()
    if late := failures.overdue(step.task, step.clips, now):
        fail(step, late)
        return False
    place = lining.place_of(step)
    if place and place.called_at is None:
        lining.stay(step, place)
        return False
    try:
        clip.account = choosing.choose(step.task, clip, lambda account: _intend_with(step, clip, account), called=place)
    except NoRoom as none:
        if none.passes:
            lining.stand(step, clip, had_turn=place is not None, deals=none.until is not None and none.until <= now)
        else:
            wait(step, none.error, until=none.until)
        return False
    return True


def _intend_with(step: Step, clip: Clip, account: ProviderAccount) -> None:
    now = clock.now()
    intent: ClipFields = {"state": ClipState.SUBMITTING, "sent_at": now, "creates": clip.creates + 1, "account": account}

    def first() -> None:
        choosing.take(account, clip, now)
        lining.left(step)

    step.note(clip=intent, first=first, **lining.leaving(step))


def _with_pictures(order: Order, step: Step, clip: Clip) -> Order:
    """With what the clip is given beside its prompt, and the picture from which it goes on, if it does.

    Raises:
        FileNotFoundError: the storage lost that picture.
        STORAGE_ERRORS: the storage cannot give them now.
    """
    if clip.start == Clip.Start.PREVIOUS and step.before:
        order = replace(order, first_frame=_stored(step.before.last_frame))
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


def _order(step: Step, clip: Clip) -> Order:
    """What MiniMax is asked for, in words."""
    return Order(
        upstream=clip.upstream,
        prompt=step.video.prompt,
        seconds=clip.seconds if clip.sends_size else None,
        resolution=clip.resolution if clip.sends_size else None,
        ratio=clip.ratio or None,
        # Each link of a chain would be given other words, and become another scene.
        prompt_optimizer=False if len(step.clips) > 1 else step.video.prompt_optimizer,
        watermark=clip.watermark,
    )


def _look_again(step: Step) -> None:
    """The storage lost the frame: the clip before, which ends with it, is looked into once more; an image is made anew."""
    before = step.before
    if before is None:
        return
    log.error("stored frame is gone", clip=before.number)
    before.state = ClipState.PLANNED if before.makes == Clip.Makes.IMAGE else ClipState.STORED
    step.at(before).write(clip={"state": before.state, "last_frame": ""})
