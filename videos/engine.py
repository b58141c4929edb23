"""The only way forward: `advance` does one step of a task and writes what came of it.

A clip's state says which step is next. A step calls the network or works on a file outside any transaction, then
writes its outcome in one short transaction that counts only while its lease holds. Every step can be run again, but
for one: a create whose answer was lost is never posted again, because MiniMax bills every job that it accepted.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from tasks import dispatch, leases, lifecycle, progress, publishing
from tasks.leases import Lease, LeaseLost
from tasks.models import Lane, Status, Task
from videos import assembly, failures
from videos.assembly import Delivered, MediaError
from videos.catalogue import learn
from videos.failures import Failure
from videos.minimax.client import MiniMaxV1, Phase, client_from_settings
from videos.minimax.errors import LinkExpired, MiniMaxError, Outcome
from videos.models import Clip, ClipState, Timing, Video
from videos.stages import Stage
from videos.storage import STORAGE_ERRORS, folder, forget

log = structlog.get_logger(__name__)

# "Again, at most three times": a create that MiniMax answered with an internal error was refused.
CREATES_MAX = 4
# A file that made its reader die this often is taken for a hostile one.
UNFINISHED_ASSEMBLIES_MAX = 4
# The pause before a clip that the storage lost is fetched again is that of a step which failed so often.
LOST_CLIP_ATTEMPTS = 5
# Where the legs of a task's progress end, in percent, and what share of the delivery's time its first leg takes.
MADE_GOAL, FETCHED_GOAL, ASSEMBLED_GOAL = 95, 97, 99
FETCH_SHARE = 0.4

# What the consumer is told while MiniMax works on a clip.
STAGES = {Phase.PREPARING: Stage.PREPARING, Phase.QUEUED: Stage.WAITING_AT_PROVIDER, Phase.RUNNING: Stage.GENERATING}


@dataclass(frozen=True)
class Job:
    """One task with the lease under which its next step is done."""

    lease: Lease
    task: Task
    video: Video
    clip: Clip
    client: MiniMaxV1

    def write(self, clip: dict[str, Any] | None = None, video: dict[str, Any] | None = None, **task: Any) -> None:
        """Write an outcome in one transaction and give the lease back; the next step is due at `next_step_at`."""
        fields = {"next_step_at": timezone.now(), "lease_token": None, "lease_until": None, "attempts": 0, "trouble": ""} | task
        if "stage" in fields and fields["stage"] != self.task.stage:
            fields["stage_since"] = fields["updated_at"] = timezone.now()
        with self.lease.writing(**fields):
            self._write_parts(clip, video)
            publishing.tell_stage_on_commit(self.task, fields)
            if fields["next_step_at"] <= timezone.now():
                dispatch.hint_on_commit(self.task.pk, self.task.kind, fields.get("lane", self.task.lane))

    def note(self, clip: dict[str, Any] | None = None, video: dict[str, Any] | None = None, **task: Any) -> None:
        """Write something before the step is over, and keep the lease."""
        with self.lease.writing(updated_at=timezone.now(), **task):
            self._write_parts(clip, video)

    def _write_parts(self, clip: dict[str, Any] | None, video: dict[str, Any] | None) -> None:
        if clip:
            Clip.objects.filter(pk=self.clip.pk).update(**clip)
        if video:
            Video.objects.filter(pk=self.task.pk).update(**video)


def advance(task_id: UUID, *, lane: str, claim: UUID | None = None) -> None:
    """Do the task's next step, if it is due, this lane's, and nobody else's.

    Each outcome, a failure too, is written to the row; raised is only that the database cannot be written to. The lease
    then lapses, and the step is done anew.
    """
    lease = leases.take(task_id, lane=lane, claim=claim)
    if lease is None:
        return
    with structlog.contextvars.bound_contextvars(task_id=str(task_id)):
        job = _load(lease)
        try:
            STEPS[ClipState(job.clip.state)](job)
        except LeaseLost:
            log.info("step no longer counts: the task was cancelled or taken over", clip_state=job.clip.state)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("step failed in a way that nobody foresaw", clip_state=job.clip.state)
            _wait_for_repair(job)


def _load(lease: Lease) -> Job:
    task = Task.objects.select_related("video").get(pk=lease.task_id)
    clip, _ = Clip.objects.get_or_create(video=task.video, number=0)
    return Job(lease, task, task.video, clip, client_from_settings())


# ---- The steps, in the order of a clip's life -------------------------------------------------------------------------


def submit(job: Job) -> None:
    """Post the clip to MiniMax: the intent first, so that whoever comes after a crash knows that it may have been sent."""
    sent_at = timezone.now()
    if late := failures.overdue(job.task, job.clip, sent_at):
        _fail(job, late)
        return
    job.note(clip={"state": ClipState.SUBMITTING, "sent_at": sent_at, "creates": job.clip.creates + 1})
    video = job.video
    try:
        with job.lease.kept_alive():
            provider_task_id = job.client.create(
                video.upstream,
                video.prompt,
                duration=video.native_seconds if video.sends_size else None,
                resolution=video.native_resolution if video.sends_size else None,
            )
    except MiniMaxError as error:
        _refused(job, error)
        return
    now = timezone.now()
    try:
        with job.lease.writing(next_step_at=now + _poll_pause(), lease_token=None, lease_until=None, attempts=0, trouble=""):
            Clip.objects.filter(pk=job.clip.pk).update(state=ClipState.SUBMITTED, submitted_at=now, provider_task_id=provider_task_id)
            delivery_seconds = job.task.rest_seconds - video.expected_seconds
            leg = _leg(job.task, now, MADE_GOAL, video.expected_seconds, rest=delivery_seconds)
            lifecycle.move(job.task.pk, Status.PROCESSING, stage=Stage.PREPARING, stage_since=now, started_at=now, **leg)
    except LeaseLost:
        # Cancelled while the call was under way: MiniMax makes and bills the clip all the same, so its id is kept.
        Clip.objects.filter(pk=job.clip.pk, state=ClipState.SUBMITTING, sent_at=sent_at).update(
            state=ClipState.SUBMITTED, submitted_at=now, provider_task_id=provider_task_id
        )
        raise


def _refused(job: Job, error: MiniMaxError) -> None:
    """What follows a create that did not succeed: only one that was certainly refused may be posted again."""
    unsent = {"state": ClipState.PLANNED, "sent_at": None}
    match error.outcome:
        case Outcome.FINAL | Outcome.UNKNOWN:
            _fail(job, Failure.of(error))
        case Outcome.AGAIN if job.clip.creates + 1 >= CREATES_MAX:
            _fail(job, Failure.of(error))
        case Outcome.AGAIN:
            _wait(job, error, clip=unsent)
        case Outcome.LATER | Outcome.OPERATOR:
            # It says nothing about this clip, so it does not count against it.
            _wait(job, error, clip=unsent | {"creates": job.clip.creates})


def give_up_lost_create(job: Job) -> None:
    """A process died between the intent and the answer: MiniMax may have accepted, and V1 has no way to ask."""
    _fail(job, failures.LOST_CREATE)


def ask(job: Job) -> None:
    """Ask MiniMax how the clip goes."""
    try:
        state = job.client.query(job.clip.provider_task_id)
    except MiniMaxError as error:
        _fail(job, Failure.of(error)) if error.outcome is Outcome.FINAL else _wait(job, error)
        return
    now = timezone.now()
    match state.phase:
        case Phase.FAILED if state.error:
            _fail(job, Failure.of(state.error))
        case Phase.SUCCEEDED:
            made = {"state": ClipState.MADE, "made_at": now, "file_id": state.file_id}
            delivery_seconds = job.task.rest_seconds
            leg = _leg(
                job.task, now, FETCHED_GOAL, delivery_seconds * FETCH_SHARE, rest=delivery_seconds * (1 - FETCH_SHARE), floor=MADE_GOAL
            )
            job.write(clip=made, stage=Stage.DOWNLOADING, **leg)
        case phase:
            if late := failures.overdue(job.task, job.clip, now):
                _fail(job, late)
            else:
                job.write(clip={"seen_running_at": now}, next_step_at=now + _poll_pause(), stage=STAGES[phase])


def locate(job: Job) -> None:
    """Ask MiniMax for a fresh link to the finished clip."""
    try:
        found = job.client.locate(job.clip.file_id)
    except MiniMaxError as error:
        _fail(job, Failure.of(error)) if error.outcome is Outcome.FINAL else _wait(job, error)
        return
    # Attempts go on counting: this step and the download are one try, and every other try takes the other host, if there is one.
    second_host = job.task.attempts // 2 % 2 == 1
    url = found.backup_url if found.backup_url and second_host else found.url
    job.write(
        clip={"state": ClipState.LOCATED, "download_url": url, "download_bytes": found.size},
        attempts=job.task.attempts,
        stage=Stage.DOWNLOADING,
    )


def fetch(job: Job) -> None:
    """Stream the clip from MiniMax into our storage."""
    name = f"{folder(job.task.pk)}/clip-{job.clip.number}-{job.lease.token.hex[:12]}.mp4"
    try:
        with job.lease.kept_alive(), job.client.download(job.clip.download_url, expected_size=job.clip.download_bytes) as stream:
            stored = default_storage.save(name, File(cast(IO[bytes], stream), name=name))
    except MiniMaxError as error:
        # Whatever was wrong with this link, a fresh one is the way on; a dead one needs no pause.
        forget(name)
        at_once = isinstance(error, LinkExpired) and job.task.attempts <= 2
        _wait(job, error, clip={"state": ClipState.MADE, "download_url": ""}, at_once=at_once)
        return
    except STORAGE_ERRORS as error:
        forget(name)
        _wait_for_storage(job, error)
        return
    job.write(
        clip={"state": ClipState.STORED, "file": stored, "download_url": ""},
        lane=Lane.MEDIA,
        stage=Stage.ASSEMBLING,
        **_leg(job.task, timezone.now(), ASSEMBLED_GOAL, job.task.rest_seconds, rest=0, floor=FETCHED_GOAL),
    )


def assemble(job: Job) -> None:
    """Make the deliverable file and its thumbnail, store both, and complete the task."""
    if job.video.unfinished_assemblies >= UNFINISHED_ASSEMBLIES_MAX:
        _fail(job, failures.UNPLAYABLE)
        return
    job.note(video={"unfinished_assemblies": job.video.unfinished_assemblies + 1})
    orderly = {"unfinished_assemblies": job.video.unfinished_assemblies}
    try:
        with job.lease.kept_alive():
            delivered = assembly.deliver(task_id=job.task.pk, clip_file=job.clip.file, token=job.lease.token)
    except MediaError as error:
        log.warning("the clip is not a playable video", error=str(error))
        _fail(job, failures.UNPLAYABLE)
    except FileNotFoundError as error:
        # The storage lost the clip: MiniMax still has it. It may lose the next one too, so there is a pause.
        log.error("stored clip is gone", error=str(error))
        now = timezone.now()
        if late := failures.overdue(job.task, job.clip, now):
            _fail(job, late)
        else:
            again = {"lane": Lane.PROVIDER, "stage": Stage.DOWNLOADING, "next_step_at": now + _pause(LOST_CLIP_ATTEMPTS)}
            job.write(clip={"state": ClipState.MADE, "file": ""}, video=orderly, **again)
    except STORAGE_ERRORS as error:
        _wait_for_storage(job, error, video=orderly)
    else:
        _complete(job, delivered)


STEPS: dict[ClipState, Callable[[Job], None]] = {
    ClipState.PLANNED: submit,
    ClipState.SUBMITTING: give_up_lost_create,
    ClipState.SUBMITTED: ask,
    ClipState.MADE: locate,
    ClipState.LOCATED: fetch,
    ClipState.STORED: assemble,
}


# ---- Outcomes that several steps share ----------------------------------------------------------------------------------


def _fail(job: Job, failure: Failure) -> None:
    now = timezone.now()
    reading = progress.read(job.task, now)
    log.warning("task failed", code=failure.code, clip_state=job.clip.state)
    ended: dict[str, Any] = {"stage": "failed", "stage_since": now, "progress": reading.progress, "lease_token": None, "lease_until": None}
    facts = {"error_code": failure.code}
    if not lifecycle.move(
        job.task.pk, Status.FAILED, lease=job.lease, facts=facts, error=failure.message, error_code=failure.code, **ended
    ):
        raise LeaseLost


def _complete(job: Job, delivered: Delivered) -> None:
    now = timezone.now()
    facts = delivered.facts
    ended: dict[str, Any] = {"stage": "completed", "stage_since": now, "progress": 100, "lease_token": None, "lease_until": None}
    with transaction.atomic():
        if not lifecycle.move(job.task.pk, Status.COMPLETED, lease=job.lease, **ended):
            raise LeaseLost
        Video.objects.filter(pk=job.task.pk).update(
            file=delivered.file,
            thumbnail=delivered.thumbnail,
            size_bytes=facts.size_bytes,
            thumbnail_bytes=facts.thumbnail_bytes,
            width=facts.width,
            height=facts.height,
            fps=facts.fps,
            seconds=facts.duration_seconds,
        )
        Timing.objects.create(
            upstream=job.video.upstream,
            seconds=job.video.native_seconds,
            resolution=job.video.native_resolution,
            # At MiniMax's own pace: what the sandbox taught is no less true of the real one.
            made_in=job.clip.made_in_seconds / settings.MINIMAX_TIME_SCALE,
            delivered_in=(now - (job.clip.made_at or now)).total_seconds(),
        )
        learn(upstream=job.video.upstream, seconds=job.video.native_seconds, resolution=job.video.native_resolution)
    log.info("task completed", seconds=round((now - job.task.created_at).total_seconds(), 1))


def _wait(job: Job, error: MiniMaxError, *, clip: dict[str, Any] | None = None, at_once: bool = False) -> None:
    """The step could not be done now: it is due again after a pause that grows, unless the task has waited long enough."""
    now = timezone.now()
    stage = failures.waiting_stage(job.task, error)
    if late := failures.waited_enough(job.task, job.clip, error, now):
        _fail(job, late)
        return
    log.info("step waits", code=error.code, provider_code=error.provider_code, attempts=job.task.attempts)
    due = now if at_once else now + _pause(job.task.attempts)
    job.write(clip=clip, stage=stage, next_step_at=due, attempts=job.task.attempts, trouble=error.code)


def _wait_for_storage(job: Job, error: Exception, video: dict[str, Any] | None = None) -> None:
    """Disk or storage could not take the file: the row keeps where it stands, and nothing is made or paid again."""
    now = timezone.now()
    if late := failures.overdue(job.task, job.clip, now):
        _fail(job, late)
        return
    log.error("storage unavailable", error=str(error), attempts=job.task.attempts)
    due = now + _pause(job.task.attempts)
    job.write(video=video, stage=Stage.WAITING_FOR_STORAGE, next_step_at=due, attempts=job.task.attempts, trouble=failures.STORAGE_TROUBLE)


def _wait_for_repair(job: Job) -> None:
    """After an error of our own: the step is tried again with growing pauses, to its state's limit."""
    now = timezone.now()
    with suppress(LeaseLost):
        if late := failures.overdue(job.task, job.clip, now):
            _fail(job, late)
        else:
            job.write(next_step_at=now + _pause(job.task.attempts), attempts=job.task.attempts, trouble="internal_error")


def _leg(task: Task, now: datetime, goal: int, seconds: float, *, rest: float, floor: int = 0) -> dict[str, Any]:
    """The fields of the leg that begins now: it starts where progress stands, or at `floor` if that is further."""
    begun = max(floor, progress.read(task, now).progress)
    return {"progress": begun, "leg_goal": goal, "leg_started_at": now, "leg_seconds": seconds, "rest_seconds": max(0.0, rest)}


def _poll_pause() -> timedelta:
    return timedelta(seconds=settings.MINIMAX_POLL_SECONDS)


def _pause(attempts: int) -> timedelta:
    """Doubles with each attempt up to RETRY_SECONDS_MAX, spread by a quarter so that what failed together does not come back together."""
    seconds = min(settings.RETRY_SECONDS * 2 ** min(attempts - 1, 20), settings.RETRY_SECONDS_MAX)
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load, guards nothing
