"""From the accepted job to the clip in our storage."""

from typing import IO, cast

import structlog
from django.core.files.base import File
from django.core.files.storage import default_storage

from conduit import clock
from tasks.leases import LeaseLost
from tasks.written import LegFields
from videos import failures
from videos.accounts import asking
from videos.accounts.calling import account_of, heard, provider_for
from videos.conditions import report_word
from videos.engine.answers import CREATES_MAX
from videos.engine.step import FETCH_SHARE, Step, fail, wait, wait_for_storage
from videos.engine.written import ClipFields
from videos.failures import Failure
from videos.minimax.errors import JOB_FAILED, LinkExpired, MiniMaxError, Outcome
from videos.minimax.provider import JobState, Phase
from videos.models import Clip, ClipState
from videos.stages import Stage
from videos.storage import STORAGE_ERRORS, folder, forget, forgotten_upon

log = structlog.get_logger(__name__)

# What the consumer is told while MiniMax works on a clip.
STAGES = {Phase.PREPARING: Stage.PREPARING, Phase.QUEUED: Stage.WAITING_AT_PROVIDER, Phase.RUNNING: Stage.GENERATING}


def ask(step: Step, clip: Clip) -> None:
    """Ask MiniMax how the clip goes. Many are asked for together by videos.asking."""
    if is_too_soon(step, clip):
        return
    try:
        with heard(clip):
            state = provider_for(clip).query(clip.provider_task_id)
    except MiniMaxError as error:
        _not_told(step, error)
    else:
        told(step, clip, state)


def told(step: Step, clip: Clip, answer: JobState | Exception) -> None:
    """Write what MiniMax's answer for the clip leads to, or that there was none.

    Raises:
        Exception: the answer, when it is an error that nobody foresaw.
    """
    match answer:
        case MiniMaxError():
            _not_told(step, answer)
        case JobState(phase=Phase.FAILED):
            _failed_there(step, clip, answer)
        case JobState(phase=Phase.SUCCEEDED):
            made: ClipFields = {"state": ClipState.MADE, "made_at": clock.now(), "file_id": answer.file_id}
            step.write(clip=made, stage=_stage_of_delivery(step), **_delivery_leg(step))
        case JobState():
            _runs(step, clip, answer)
        case error:
            raise error


def _runs(step: Step, clip: Clip, state: JobState) -> None:
    now = clock.now()
    if late := failures.overdue(step.task, step.clips, now):
        fail(step, late)
    else:
        stage = STAGES[state.phase]
        if clip.seen_running_at and stage == step.task.stage and not step.task.last_error_code:
            step.said.clear()  # nothing has changed
        due = now + asking.pause(account_of(clip), now, is_called_back=clip.pushed_at is not None)
        step.write(clip={"seen_running_at": now}, next_step_at=due, stage=stage)
        if state.odd_word:
            report_word(state.odd_word, task_id=step.task.pk, upstream=clip.upstream)


def is_too_soon(step: Step, clip: Clip) -> bool:
    """Whether the clip's account was asked too often a moment ago, by whomever; the question was then put off."""
    try:
        account = account_of(clip)
    except MiniMaxError:
        return False  # the question itself says so
    turn = asking.next_turn(account, clock.now())
    if turn is None:
        return False
    step.write(next_step_at=turn, attempts=step.task.attempts - 1)
    return True


def _not_told(step: Step, error: MiniMaxError) -> None:
    """MiniMax does not say how the clip goes, or where it is: now, or never, and then no other task should ask for it."""
    if error.outcome is not Outcome.FINAL:
        wait(step, error)
    elif step.clip and step.clip.taken_from_id:
        _order_anew(step, step.clip)
    else:
        fail(step, Failure.of(error), clip={"state": ClipState.FAILED})


_UNSENT: ClipFields = {
    "state": ClipState.PLANNED,
    "sent_at": None,
    "submitted_at": None,
    "made_at": None,
    "fetched_at": None,
    "ready_at": None,
    "provider_task_id": "",
    "file_id": "",
    "file": "",
    "last_frame": "",
    "billed": 0,
    "taken_from": None,
    "account": None,
    "told_task_id": "",
    "pushed_at": None,
}


def _order_anew(step: Step, clip: Clip) -> None:
    """What was taken over is lost: it is made again, and all that went on from it."""
    log.warning("a clip that was taken over cannot be had any more: it is ordered anew", clip=clip.number)

    def write() -> None:
        step.write(clip=_UNSENT)
        step.video.clips.filter(number__gt=clip.number).update(**_UNSENT)

    step.lease.insist(write)


def _failed_there(step: Step, clip: Clip, state: JobState) -> None:
    """MiniMax bills no failed job, so a clip may be ordered anew; it is when finished ones would be lost with the task."""
    error = state.error or MiniMaxError(*JOB_FAILED)
    verdict = error.code != JOB_FAILED.code
    if clip.taken_from_id and not verdict:  # such as one that was called off just when it was taken over
        _order_anew(step, clip)
    elif verdict or clip.creates >= CREATES_MAX or not any(earlier.state == ClipState.READY for earlier in step.videos):
        fail(step, Failure.of(error), clip={"state": ClipState.FAILED, "billed": 0})
    else:
        wait(step, error, clip=_UNSENT)


def _stage_of_delivery(step: Step) -> Stage:
    """While a chain goes on, it is still being made."""
    return Stage.GENERATING if step.after else Stage.DOWNLOADING


def _delivery_leg(step: Step) -> LegFields:
    """Until the clip is fetched. Only what follows the last one moves the bar: it stands still for the others, which are quick."""
    if step.after:
        return step.leg(step.made_goal, 0, rest=step.task.rest_seconds)
    delivery = step.task.rest_seconds
    return step.leg(step.fetched_goal, delivery * FETCH_SHARE, rest=delivery * (1 - FETCH_SHARE), floor=step.made_goal)


def locate(step: Step, clip: Clip) -> None:
    """Ask MiniMax for a fresh link to the finished clip."""
    if is_too_soon(step, clip):
        return
    try:
        with heard(clip):
            found = provider_for(clip).locate(clip.file_id)
    except MiniMaxError as error:
        _not_told(step, error)
        return
    # Attempts go on counting: this step and the download are one try, and every other try takes the other host, if there is one.
    second_host = step.task.attempts // 2 % 2 == 1
    url = found.backup_url if found.backup_url and second_host else found.url
    located: ClipFields = {"state": ClipState.LOCATED, "download_url": url, "download_bytes": found.size}
    step.write(clip=located, attempts=step.task.attempts, stage=_stage_of_delivery(step))


def fetch(step: Step, clip: Clip) -> None:
    """Stream the clip from MiniMax into our storage."""
    name = f"{folder(step.task.pk)}/clip-{clip.number}-{step.lease.token.hex[:12]}.mp4"
    try:
        with step.lease.kept_alive(), provider_for(clip).download(clip.download_url, expected_size=clip.download_bytes) as stream:
            stored = default_storage.save(name, File(cast(IO[bytes], stream), name=name))
    except MiniMaxError as error:
        # Whatever was wrong with this link, a fresh one is the way on; a dead one needs no pause.
        forget(name)
        at_once = isinstance(error, LinkExpired) and step.task.attempts <= 2
        wait(step, error, clip={"state": ClipState.MADE, "download_url": ""}, at_once=at_once)
        return
    except STORAGE_ERRORS as error:
        forget(name)
        wait_for_storage(step, error)
        return
    with forgotten_upon(LeaseLost, stored):
        fetched: ClipFields = {"state": ClipState.STORED, "file": stored, "download_url": "", "fetched_at": clock.now()}
        step.write(clip=fetched, stage=_stage_of_delivery(step))
