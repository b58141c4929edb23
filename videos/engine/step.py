"""One task at hand, under the lease of its next step."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self, Unpack

import structlog
from django.conf import settings
from django.db import transaction

from conduit import clock
from tasks import dispatch, lifecycle, paused, progress, publishing
from tasks.insisting import insist
from tasks.leases import Lease, LeaseLost
from tasks.models import Lane, Status, Task
from tasks.written import LegFields, TaskFields
from videos import exchanges, failures, storage_check
from videos.conditions import report_refusal
from videos.engine.written import ClipFields, VideoFields
from videos.failures import Failure
from videos.minimax.errors import CallRefused, MiniMaxError
from videos.minimax.exchanges import Exchange
from videos.models import Clip, ClipState, Video
from videos.planning import Plan
from videos.services import QUEUED_GOAL
from videos.stages import Stage
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

# Where the further legs of a task's progress end, in percent: being made, fetched, assembled. Joining a chain takes its time.
MADE_GOAL, CHAIN_MADE_GOAL, FETCHED_AFTER, ASSEMBLED_GOAL = 95, 85, 2, 99
# The share of a delivery's time until the last clip is fetched.
FETCH_SHARE = 0.4

# A clip's state is its next step, and so the lane of that step.
_LANES = {ClipState.SUBMITTED: Lane.ASKING, ClipState.STORED: Lane.MEDIA, ClipState.READY: Lane.MEDIA}


@dataclass(frozen=True)
class Step:
    """A task with its clips, and the lease under which its next step is done."""

    lease: Lease
    task: Task
    video: Video
    clips: Sequence[Clip]
    said: list[Exchange] = field(default_factory=list)  # to MiniMax in this step, and not written down yet
    row: Clip | None = None  # the clip that what is written of a clip goes to (`at`)

    def at(self, clip: Clip) -> Self:
        """The same step, with what it writes of a clip going to that one."""
        return replace(self, row=clip)

    @property
    def plan(self) -> Plan:
        return Plan.from_json(self.video.plan)

    @property
    def clip(self) -> Clip | None:
        """The clip at hand, which is the first that is not ready; None when all are."""
        return next((clip for clip in self.clips if clip.state != ClipState.READY), None)

    @property
    def before(self) -> Clip | None:
        """The clip, or first image, that ends where the clip at hand goes on."""
        return next((clip for clip in self.clips if self.clip and clip.number == self.clip.number - 1), None)

    @property
    def after(self) -> Clip | None:
        """The clip that goes on where the clip at hand ends."""
        return next((clip for clip in self.clips if self.clip and clip.number == self.clip.number + 1), None)

    @property
    def videos(self) -> list[Clip]:
        """The clips without the first image."""
        return [clip for clip in self.clips if clip.makes == Clip.Makes.VIDEO]

    # ---- Writing what came of a step ----

    def write(
        self, clip: ClipFields | None = None, video: VideoFields | None = None, *, begins: bool = False, **task: Unpack[TaskFields]
    ) -> None:
        """Write an outcome in one transaction and give the lease back; the next step is due at `next_step_at`.

        Without a `lane` the next step is done by the workers of what the clip at hand needs next. `begins` says that MiniMax
        works on the task now.
        """
        now = clock.now()
        fields: TaskFields = {"next_step_at": now, "attempts": 0, "last_error_code": "", "lane": self._lane_after(clip or {}), **task}
        if "stage" in fields and fields["stage"] != self.task.stage:
            fields["stage_since"] = fields["updated_at"] = now
        if clip and clip.get("made_at"):
            fields["paused_for"] = timedelta()  # the limits count from there
        if self.task.waits_for and "waits_for" not in fields:
            fields |= {"waits_for": "", "queue_position": None}  # it does something else than to stand in line
        if "leg_goal" in fields:
            fields["updated_at"] = now  # so that readers who were not told find it

        def write() -> None:
            if not self._write_task(fields, begins=begins and self.task.status == Status.QUEUED):
                raise LeaseLost
            self.write_parts(clip, video)
            if fields["next_step_at"] <= clock.now():
                dispatch.hint_on_commit(fields["lane"])

        self.lease.insist(write)

    def _write_task(self, fields: TaskFields, *, begins: bool) -> bool:
        """False when the lease is not ours any more. Either way readers are told, by the event of the move or without one."""
        if begins:
            moved = fields.copy()
            moved.pop("updated_at", None)  # the move's own
            moved["started_at"] = clock.now()
            return lifecycle.move(self.task.pk, Status.PROCESSING, lease=self.lease, **moved)
        publishing.tell_stage_on_commit(self.task, fields)
        return bool(self.lease.rows().update(lease_token=None, lease_until=None, **fields))

    def note(
        self,
        clip: ClipFields | None = None,
        *,
        insists: bool = True,
        first: Callable[[], None] | None = None,
        **task: Unpack[TaskFields],
    ) -> None:
        """Write something before the step is over, and keep the lease. What may as well be lost is tried once: `insists` is False.

        `first` writes what belongs to it, and may refuse it by an exception of its own.
        """

        def write() -> None:
            with self.lease.writing(updated_at=clock.now(), **task):
                if first:
                    first()
                self.write_parts(clip, None)
                publishing.tell_stage_on_commit(self.task, task)

        if insists:
            self.lease.insist(write)
        else:
            insist(write, until=lambda: 0.0)
        # The task as it stands now: the next thing that is written is compared with it, and progress goes on from it.
        for name, value in task.items():
            setattr(self.task, name, value)

    def write_parts(self, clip: ClipFields | None, video: VideoFields | None) -> None:
        if clip:
            assert self.row  # noqa: S101 - a step that writes of a clip has named it
            Clip.objects.filter(pk=self.row.pk).update(**clip)
        if video:
            Video.objects.filter(pk=self.task.pk).update(**video)
        self.write_what_was_said()

    def write_what_was_said(self) -> None:
        """With the outcome that it led to, and again with each try to write that."""
        if self.said:
            exchanges.record(self.task.pk, self.clip.number if self.clip else None, self.said)
            transaction.on_commit(self.said.clear)

    def _lane_after(self, clip: ClipFields) -> Lane:
        """The lane of the step that follows when the clip at hand is written so."""
        if self.clip is None:
            return Lane.MEDIA if self.clips else Lane.PROVIDER
        state = clip.get("state", self.clip.state)
        if state == ClipState.READY and self.after:
            state = self.after.state
        return _LANES.get(ClipState(state), Lane.PROVIDER)

    # ---- Progress ----

    def leg(self, goal: int, seconds: float, *, rest: float, floor: int = 0) -> LegFields:
        """The fields of the leg that begins now: it starts where progress stands, or at `floor` if that is further."""
        now = clock.now()
        begun = max(floor, progress.read(self.task, now).progress)
        return {
            "progress": begun, "leg_goal": max(goal, begun), "leg_started_at": now, "leg_seconds": seconds, "rest_seconds": max(0.0, rest),
        }  # fmt: skip

    @property
    def making_seconds(self) -> float:
        """How long MiniMax usually takes for all of the clips."""
        return sum(clip.expected_seconds for clip in self.clips)

    @property
    def to_make_seconds(self) -> float:
        """How long it usually takes for those that were not begun yet."""
        return sum(clip.expected_seconds for clip in self.clips if clip.state in (ClipState.PLANNED, ClipState.SUBMITTING))

    @property
    def made_goal(self) -> int:
        """The percentage at which the clip at hand will be made: the clips share the way there by the time that they take."""
        end = MADE_GOAL if len(self.plan.clips) == 1 else CHAIN_MADE_GOAL
        if self.clip is None or not self.making_seconds:
            return end
        until = sum(clip.expected_seconds for clip in self.clips if clip.number <= self.clip.number)
        return QUEUED_GOAL + int((end - QUEUED_GOAL) * until / self.making_seconds)

    @property
    def fetched_goal(self) -> int:
        """The percentage at which the last clip will be stored."""
        return (MADE_GOAL if len(self.plan.clips) == 1 else CHAIN_MADE_GOAL) + FETCHED_AFTER


# ---- Outcomes that several steps share ----------------------------------------------------------------------------------


def is_held(step: Step, lane: Lane) -> bool:
    """Whether an administrator has stopped the step that is about to begin; the task was then set aside until that is over."""
    until = paused.end_of_hold(step.task, lane)
    if until is None:
        return False
    log.info("step is paused", lane=lane)
    step.write(**paused.set_aside(step.task, until))
    return True


def fail(step: Step, failure: Failure, clip: ClipFields | None = None) -> None:
    """End the task; `clip` is written to the clip that the step is at in the same transaction."""
    now = clock.now()
    reading = progress.read(step.task, now)

    def write() -> None:
        moved = lifecycle.move(
            step.task.pk,
            Status.FAILED,
            lease=step.lease,
            facts={"error_code": failure.code},
            settles_later=failures.settles_later(failure),
            error=failure.message,
            error_code=failure.code,
            stage="failed",
            stage_since=now,
            progress=reading.progress,
        )
        if not moved:
            raise LeaseLost
        step.write_parts(clip, None)
        if step.clip and step.clip.state == ClipState.SUBMITTED and failure.code == failures.MADE_TOO_LONG.code:
            dispatch.hint_cancelled_on_commit(step.task.pk, step.task.kind)  # MiniMax may still call it off

    step.lease.insist(write)


def wait(step: Step, error: MiniMaxError, *, clip: ClipFields | None = None, at_once: bool = False, until: datetime | None = None) -> None:
    """The step could not be done now: it is due again after a pause that grows, or `until`, unless the task has waited long enough."""
    if isinstance(error, CallRefused):
        report_refusal(error)
    now = clock.now()
    stage = failures.waiting_stage(step.task, error)
    if late := failures.waited_enough(step.task, step.clips, error, now):
        fail(step, late, clip)
        return
    log.info("step waits", code=error.code, provider_code=error.provider_code, attempts=step.task.attempts)
    due = now if at_once else until or now + growing_pause(step.task.attempts)
    step.write(clip=clip, stage=stage, next_step_at=due, attempts=step.task.attempts, last_error_code=error.code)


def wait_for_storage(step: Step, error: Exception, video: VideoFields | None = None) -> None:
    """Disk or storage could not take or give a file: the row keeps where it stands, and nothing is made or paid again."""
    log.error("storage unavailable", error=str(error), attempts=step.task.attempts)
    storage_check.doubt()
    try_again(step, video=video, stage=Stage.WAITING_FOR_STORAGE, last_error_code=failures.STORAGE_TROUBLE)


def wait_for_repair(step: Step) -> None:
    """After an error of our own: the step is tried again with growing pauses, to its state's limit."""
    with suppress(LeaseLost):
        try_again(step, last_error_code="internal_error")


def try_again(step: Step, *, clip: ClipFields | None = None, video: VideoFields | None = None, **task: Unpack[TaskFields]) -> None:
    """The same step after a pause that grows, or the task's failure when its state has lasted for too long."""
    now = clock.now()
    if late := failures.overdue(step.task, step.clips, now):
        fail(step, late, clip)
    else:
        fields: TaskFields = {"next_step_at": now + growing_pause(step.task.attempts), "attempts": step.task.attempts, **task}
        step.write(clip=clip, video=video, **fields)


def poll_pause(clip: Clip) -> timedelta:
    """Until a job is asked for again: rarely where MiniMax calls back for it."""
    return timedelta(seconds=settings.MINIMAX_POLL_SECONDS_WITH_CALLBACKS if clip.pushed_at else settings.MINIMAX_POLL_SECONDS)
