"""Why a generation fails or waits, in our own words, and how long it may wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings

from tasks.models import Status, Task
from videos.minimax.errors import MiniMaxError, Outcome
from videos.models import Clip, ClipState
from videos.stages import Stage


@dataclass(frozen=True)
class Failure:
    """What a failed task says: words for people, a code for programs."""

    code: str
    message: str

    @classmethod
    def of(cls, error: MiniMaxError) -> Self:
        return cls(error.code, error.message)


LOST_CREATE = Failure(
    "provider_timeout",
    "The connection to the video provider was cut while the video was being ordered, and whether it took the order could not be found out. "
    "Nothing was charged. Retry the task to order it anew.",
)
NEVER_TAKEN = Failure(
    "provider_timeout",
    "The connection to the video provider was cut each time that the video was ordered, and it took no order. Nothing was charged.",
)
UNPLAYABLE = Failure("invalid_video", "The video provider delivered a file that is not a playable video. Nothing was charged.")
MISTIMED = Failure(
    "invalid_video",
    "The video provider delivered a clip whose own timing cannot be right for the length that it was to have. Nothing was charged.",
)
TOO_SHORT = Failure(
    "invalid_video", "The video provider's clips were too short for the length that was asked for, further ones too. Nothing was charged."
)
_QUEUED_TOO_LONG = Failure(
    "queue_timeout",
    "The video could not be started within the time limit, because the video provider takes no more work. Nothing was charged.",
)
MADE_TOO_LONG = Failure(
    "generation_timeout",
    "The video provider did not finish the video within the time limit. Nothing was charged. A retry goes on with the same job there.",
)
_MADE_TOO_LONG_AND_HELD = Failure(
    "generation_timeout",
    "The video provider did not finish the video within the time limit. What it costs is settled when the provider says how it ended. "
    "A retry goes on with the same job there.",
)
_DELIVERED_TOO_LONG = Failure(
    "delivery_timeout", "The finished video could not be fetched and stored within the time limit. Nothing was charged."
)

# What a task waits for, as its stage says it, by the trouble that it met.
WAITING_STAGES = {
    "provider_auth": Stage.WAITING_FOR_PROVIDER_KEY,
    "provider_quota": Stage.WAITING_FOR_PROVIDER_BALANCE,
    "rate_limit": Stage.WAITING_FOR_RATE_LIMIT,
}
STORAGE_TROUBLE = "storage_unavailable"


def waiting_stage(task: Task, error: MiniMaxError) -> str:
    """The stage of a task whose step has to be tried again later."""
    if error.code in WAITING_STAGES and (error.outcome is Outcome.OPERATOR or task.status == Status.QUEUED):
        return WAITING_STAGES[error.code]
    return Stage.WAITING_FOR_PROVIDER if task.status == Status.QUEUED else task.stage


def overdue(task: Task, clips: Sequence[Clip], now: datetime) -> Failure | None:
    """The failure of a task that its clip at hand has held up for too long, or None while it may go on.

    Time in which it was paused does not count; MiniMax's work on a clip is never paused.
    """
    counted = now - task.paused_for
    at_hand = next((clip for clip in clips if clip.state != ClipState.READY), None)
    last_made_at = max((clip.made_at for clip in clips if clip.made_at), default=None)
    if clips and (at_hand is None or at_hand.made_at):
        return _DELIVERED_TOO_LONG if _over(last_made_at, settings.DELIVERY_SECONDS_MAX, counted) else None
    if at_hand and at_hand.state == ClipState.SUBMITTING and at_hand.makes == Clip.Makes.VIDEO:
        return LOST_CREATE if _over(at_hand.sent_until or at_hand.sent_at, settings.RECONCILING_SECONDS_MAX, now) else None
    if at_hand and at_hand.submitted_at:
        since = max(at_hand.submitted_at, task.created_at)  # a job that was taken over may be older than the task
        return made_too_long() if _over(since, settings.GENERATING_SECONDS_MAX, now) else None
    return _QUEUED_TOO_LONG if _over(last_made_at or task.created_at, settings.QUEUED_SECONDS_MAX, counted) else None


def queued_until(task: Task, clips: Sequence[Clip]) -> datetime:
    """When a task that waits to be sent has waited for too long."""
    last_made_at = max((clip.made_at for clip in clips if clip.made_at), default=None)
    return (last_made_at or task.created_at) + timedelta(seconds=settings.QUEUED_SECONDS_MAX) + task.paused_for


def made_too_long() -> Failure:
    """A job that outlived our patience; as TIMEOUT_CHARGES says its money goes back at once, or is settled when its end is known."""
    return _MADE_TOO_LONG_AND_HELD if settings.TIMEOUT_CHARGES == "when_known" else MADE_TOO_LONG


def settles_later(failure: Failure) -> bool:
    """Whether the hold of a task that fails so stands until it is known what MiniMax bills."""
    return failure == _MADE_TOO_LONG_AND_HELD


def waited_enough(task: Task, clips: Sequence[Clip], error: MiniMaxError, now: datetime) -> Failure | None:
    """The same for a task whose step MiniMax just refused: what an operator must put right has a limit of its own, and an
    error that lasted to the end says more than the time limit."""
    if error.outcome is Outcome.OPERATOR:
        since = task.stage_since if waiting_stage(task, error) == task.stage else now
        return Failure.of(error) if _over(since, settings.OPERATOR_SECONDS_MAX, now) else None
    late = overdue(task, clips, now)
    return Failure.of(error) if late and late is not _DELIVERED_TOO_LONG and error.outcome is Outcome.AGAIN else late


def _over(since: datetime | None, limit_seconds: float, now: datetime) -> bool:
    return since is not None and now - since > timedelta(seconds=limit_seconds)
