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
from videos.engine.job import FETCH_SHARE, Job, fail, wait, wait_for_storage
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


def ask(job: Job, clip: Clip) -> None:
    """Ask MiniMax how the clip goes. Many are asked for together by videos.asking."""
    if is_too_soon(job, clip):
        return
    try:
        with heard(clip):
            state = provider_for(clip).query(clip.provider_task_id)
    except MiniMaxError as error:
        _not_told(job, error)
    else:
        told(job, clip, state)


def told(job: Job, clip: Clip, answer: JobState | Exception) -> None:
    """Write what MiniMax's answer for the clip leads to, or that there was none.

    Raises:
        Exception: the answer, when it is an error that nobody foresaw.
    """
    match answer:
        case MiniMaxError():
            _not_told(job, answer)
        case JobState(phase=Phase.FAILED):
            _failed_there(job, clip, answer)
        case JobState(phase=Phase.SUCCEEDED):
            made: ClipFields = {"state": ClipState.MADE, "made_at": clock.now(), "file_id": answer.file_id}
            job.write(clip=made, stage=_stage_of_delivery(job), **_delivery_leg(job))
        case JobState():
            _runs(job, clip, answer)
        case error:
            raise error


def _runs(job: Job, clip: Clip, state: JobState) -> None:
    now = clock.now()
    if late := failures.overdue(job.task, job.clips, now):
        fail(job, late)
    else:
        stage = STAGES[state.phase]
        if clip.seen_running_at and stage == job.task.stage and not job.task.trouble:
            job.said.clear()  # nothing has changed
        due = now + asking.pause(account_of(clip), now, is_called_back=clip.pushed_at is not None)
        job.write(clip={"seen_running_at": now}, next_step_at=due, stage=stage)
        if state.odd_word:
            report_word(state.odd_word, task_id=job.task.pk, upstream=clip.upstream)


def is_too_soon(job: Job, clip: Clip) -> bool:
    """Whether the clip's account was asked too often a moment ago, by whomever; the question was then put off."""
    try:
        account = account_of(clip)
    except MiniMaxError:
        return False  # the question itself says so
    turn = asking.next_turn(account, clock.now())
    if turn is None:
        return False
    job.write(next_step_at=turn, attempts=job.task.attempts - 1)
    return True


def _not_told(job: Job, error: MiniMaxError) -> None:
    """MiniMax does not say how the clip goes, or where it is: now, or never, and then no other task should ask for it."""
    if error.outcome is not Outcome.FINAL:
        wait(job, error)
    elif job.clip and job.clip.taken_from_id:
        _order_anew(job, job.clip)
    else:
        fail(job, Failure.of(error), clip={"state": ClipState.FAILED})


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


def _order_anew(job: Job, clip: Clip) -> None:
    """What was taken over is lost: it is made again, and all that went on from it."""
    log.warning("a clip that was taken over cannot be had any more: it is ordered anew", clip=clip.number)

    def write() -> None:
        job.write(clip=_UNSENT)
        job.video.clips.filter(number__gt=clip.number).update(**_UNSENT)

    job.lease.insist(write)


def _failed_there(job: Job, clip: Clip, state: JobState) -> None:
    """MiniMax bills no failed job, so a clip may be ordered anew; it is when finished ones would be lost with the task."""
    error = state.error or MiniMaxError(*JOB_FAILED)
    verdict = error.code != JOB_FAILED.code
    if clip.taken_from_id and not verdict:  # such as one that was called off just when it was taken over
        _order_anew(job, clip)
    elif verdict or clip.creates >= CREATES_MAX or not any(earlier.state == ClipState.READY for earlier in job.videos):
        fail(job, Failure.of(error), clip={"state": ClipState.FAILED, "billed": 0})
    else:
        wait(job, error, clip=_UNSENT)


def _stage_of_delivery(job: Job) -> Stage:
    """While a chain goes on, it is still being made."""
    return Stage.GENERATING if job.after else Stage.DOWNLOADING


def _delivery_leg(job: Job) -> LegFields:
    """Until the clip is fetched. Only what follows the last one moves the bar: it stands still for the others, which are quick."""
    if job.after:
        return job.leg(job.made_goal, 0, rest=job.task.rest_seconds)
    delivery = job.task.rest_seconds
    return job.leg(job.fetched_goal, delivery * FETCH_SHARE, rest=delivery * (1 - FETCH_SHARE), floor=job.made_goal)


def locate(job: Job, clip: Clip) -> None:
    """Ask MiniMax for a fresh link to the finished clip."""
    if is_too_soon(job, clip):
        return
    try:
        with heard(clip):
            found = provider_for(clip).locate(clip.file_id)
    except MiniMaxError as error:
        _not_told(job, error)
        return
    # Attempts go on counting: this step and the download are one try, and every other try takes the other host, if there is one.
    second_host = job.task.attempts // 2 % 2 == 1
    url = found.backup_url if found.backup_url and second_host else found.url
    located: ClipFields = {"state": ClipState.LOCATED, "download_url": url, "download_bytes": found.size}
    job.write(clip=located, attempts=job.task.attempts, stage=_stage_of_delivery(job))


def fetch(job: Job, clip: Clip) -> None:
    """Stream the clip from MiniMax into our storage."""
    name = f"{folder(job.task.pk)}/clip-{clip.number}-{job.lease.token.hex[:12]}.mp4"
    try:
        with job.lease.kept_alive(), provider_for(clip).download(clip.download_url, expected_size=clip.download_bytes) as stream:
            stored = default_storage.save(name, File(cast(IO[bytes], stream), name=name))
    except MiniMaxError as error:
        # Whatever was wrong with this link, a fresh one is the way on; a dead one needs no pause.
        forget(name)
        at_once = isinstance(error, LinkExpired) and job.task.attempts <= 2
        wait(job, error, clip={"state": ClipState.MADE, "download_url": ""}, at_once=at_once)
        return
    except STORAGE_ERRORS as error:
        forget(name)
        wait_for_storage(job, error)
        return
    with forgotten_upon(LeaseLost, stored):
        fetched: ClipFields = {"state": ClipState.STORED, "file": stored, "download_url": "", "fetched_at": clock.now()}
        job.write(clip=fetched, stage=_stage_of_delivery(job))
