"""Progress and time left, read off a task by the clock.

MiniMax reports no percentage. A task's life is a row of legs (waiting, being made, fetched, stored), each with the
percentage where it begins and ends and the seconds that it usually takes; the row keeps the current leg, and a reader
works out where in it the clock stands. Nothing has to be written for progress to move, and it never goes back: within a
leg the curve only rises, and the next leg begins at or above the last value.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from tasks.models import ACTIVE, Status

if TYPE_CHECKING:
    from tasks.models import Task

# When a leg begins that nobody knows the beginning of: it waits for the end of a pause that has none. Later than any moment.
NOT_KNOWN = datetime(9000, 1, 1, tzinfo=UTC)
# Until this share of the usual time, progress is linear; from there on it nears the leg's end without reaching it.
_LINEAR = 0.9


class HasLegs(Protocol):
    """What progress is read off: a task, or what a process was told of one."""

    @property
    def status(self) -> str: ...
    @property
    def progress(self) -> int: ...
    @property
    def leg_goal(self) -> int: ...
    @property
    def leg_started_at(self) -> datetime: ...
    @property
    def leg_seconds(self) -> float: ...
    @property
    def rest_seconds(self) -> float: ...
    @property
    def is_active(self) -> bool: ...


LEG = ("progress", "leg_goal", "leg_started_at", "leg_seconds", "rest_seconds")
LINE = ("waits_for", "queue_position")


@dataclass(frozen=True, slots=True)
class Legs:
    """A task's current leg, apart from its row, with its place in a line."""

    status: str
    progress: int
    leg_goal: int
    leg_started_at: datetime
    leg_seconds: float
    rest_seconds: float
    waits_for: str = ""  # and where it stands in line, if it does
    queue_position: int | None = None

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @classmethod
    def of(cls, task: "Task") -> Self:
        leg = (task.progress, task.leg_goal, task.leg_started_at, task.leg_seconds, task.rest_seconds)
        return cls(task.status, *leg, task.waits_for, task.queue_position)

    def packed(self) -> list[Any]:
        """In plain values, for a message; `unpacked` reads them."""
        leg = [self.progress, self.leg_goal, self.leg_started_at.timestamp(), self.leg_seconds, self.rest_seconds]
        return [self.status, *leg, self.waits_for, self.queue_position]

    @classmethod
    def unpacked(cls, packed: list[Any]) -> Self:
        """Of a process that is a version older too: it knew of no lines."""
        status, progress, goal, started_at, seconds, rest, *line = packed
        return cls(status, progress, goal, datetime.fromtimestamp(started_at, UTC), seconds, rest, *line)


@dataclass(frozen=True)
class Reading:
    progress: int  # whole percent; 100 when completed only
    eta_seconds: int | None  # None when there is nothing left to wait for, or nobody knows


def read(task: HasLegs, now: datetime) -> Reading:
    """Where the task stands at `now`."""
    if task.status == Status.COMPLETED:
        return Reading(100, None)
    if not task.is_active:
        return Reading(task.progress, None)
    ahead = max(0.0, (task.leg_started_at - now).total_seconds())  # of a leg that begins when a pause ends
    elapsed = max(0.0, (now - task.leg_started_at).total_seconds())
    share = _share(elapsed / task.leg_seconds) if task.leg_seconds else 1.0
    progress = math.floor(task.progress + (task.leg_goal - task.progress) * share)
    left = None if task.leg_started_at >= NOT_KNOWN else math.ceil(ahead + _left(elapsed, task.leg_seconds) + task.rest_seconds)
    return Reading(min(99, max(task.progress, progress)), left)


def _share(time: float) -> float:
    """How much of a leg is done after `time` of its usual length: linear, then ever slower, always below 1."""
    if time <= _LINEAR:
        return time
    room = 1 - _LINEAR
    return 1 - room * math.exp(-(time - _LINEAR) / room)


def _left(elapsed: float, usual: float) -> float:
    """Seconds left of a leg. One that is overdue is expected to take the longer, the longer it already took."""
    return max(usual - elapsed, usual / 20 + (elapsed - usual) / 3)
