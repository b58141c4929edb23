"""What a task does or waits for, in a sentence for people."""

from datetime import UTC, datetime
from typing import Any

from conduit.console.moments import day_and_time, time_of_day
from conduit.console.written import span
from tasks.models import DEADLINE_EXCEEDED, FAIR_SHARE, MEDIA, OWN_LIMIT, RATE, Lane, Status, Task
from tasks.progress import NOT_KNOWN
from videos.stages import Stage

# What comes after "waits for", of a task, and "wait for", of several.
WAITED_FOR: dict[str, str] = {
    Stage.PAUSED: "the end of a pause",
    Stage.WAITING_FOR_RATE_LIMIT: "MiniMax's rate limit",
    Stage.WAITING_FOR_PROVIDER: "MiniMax: it cannot be reached, or answers with errors",
    Stage.WAITING_FOR_PROVIDER_KEY: "a MiniMax account: the key is not accepted",
    Stage.WAITING_FOR_PROVIDER_BALANCE: "a MiniMax account: the balance is empty",
    Stage.WAITING_FOR_STORAGE: "the storage: files cannot be written",
    Stage.RECONCILING: "news of its order: MiniMax's answer to it was lost",
}
# The same of those that stand in a line, by what for.
IN_LINE: dict[str, str] = {
    OWN_LIMIT: "others of its key to end",
    FAIR_SHARE: "its turn at MiniMax",
    RATE: "MiniMax's rate limit",
    MEDIA: "its turn to be assembled",
}
_DOES = {
    "queued": "Waits for its turn",
    Stage.PREPARING: "Accepted by MiniMax",
    Stage.WAITING_AT_PROVIDER: "Queued at MiniMax",
    Stage.GENERATING: "At MiniMax",
    Stage.DOWNLOADING: "Being fetched from MiniMax",
    Stage.ASSEMBLING: "Assembles the video",
}
_OF_A_CLIP = frozenset({Stage.PREPARING, Stage.WAITING_AT_PROVIDER, Stage.GENERATING, Stage.DOWNLOADING})
_PAUSED = {Lane.PROVIDER: "sending to MiniMax is paused", Lane.MEDIA: "work on files is paused"}


def words(task: Any, now: datetime) -> str:
    """One sentence, without its full stop. `task` comes from `videos.overview`."""
    match task.status:
        case Status.COMPLETED:
            return f"Completed in {span((task.ended_at - task.created_at).total_seconds())}"
        case Status.FAILED:
            return f"Failed: {task.error}"
        case Status.CANCELLED:
            why = "by its deadline, " if task.error_code == DEADLINE_EXCEEDED else ""
            return f"Cancelled {why}at {task.progress} %"
    if task.stage == Stage.PAUSED:
        end = "" if task.leg_started_at >= NOT_KNOWN else f", until {_since_or_until(task.leg_started_at, now)}"
        return f"Waits: {_PAUSED[Lane(task.lane)]} since {_since_or_until(task.stage_since, now)}{end}"
    if task.stage in WAITED_FOR:
        code = f" ({task.refused_with})" if task.refused_with is not None else ""
        return f"Waits for {WAITED_FOR[task.stage]}{code} since {_since_or_until(task.stage_since, now)}"
    if task.waits_for in IN_LINE:
        place = f", place {task.queue_position}" if task.queue_position else ""
        return f"Waits for {IN_LINE[task.waits_for]}{place}"
    does: str = _DOES.get(task.stage, task.stage.replace("_", " ").capitalize())
    return does + (_clip_at_hand(task) if task.stage in _OF_A_CLIP else "") + _trouble(task)


def _clip_at_hand(task: Any) -> str:
    """Which of several it is."""
    count = clips_planned(task)
    return f", clip {min(task.clips_ready + 1, count)} of {count}" if count > 1 else ""


def clips_planned(task: Task) -> int:
    """How many clips of the video there are to be, without a first image."""
    return sum(1 for clip in task.video.plan.get("clips", ()) if clip["seconds"])


def _trouble(task: Task) -> str:
    return f"; its last step failed ({task.last_error_code}) and is tried again" if task.last_error_code else ""


def _since_or_until(moment: datetime, now: datetime) -> str:
    """To the second with its zone; with the day where that is not today's."""
    is_today = moment.astimezone(UTC).date() == now.astimezone(UTC).date()
    return time_of_day(moment) if is_today else day_and_time(moment)
