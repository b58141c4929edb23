"""How the tasks that have not ended stand at this moment. Everything here reads those alone, however many have ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Min, Q, Sum

from conduit import clock
from tasks import kinds
from tasks.models import Lane, Status, Task


@dataclass(frozen=True)
class StageCount:
    """How many tasks are at a stage, and since when the first of them is."""

    status: str
    stage: str
    waiting_for: str | None  # in the contract's word: pause, rate, provider, account, storage
    count: int
    since: datetime


@dataclass(frozen=True)
class LaneState:
    """What a lane's workers have to do."""

    lane: str
    waiting: int  # steps that are due and that nobody has taken
    late_seconds: float  # how long the oldest of them has been due; 0 when there is none
    at_work: int  # steps that a worker has taken


@dataclass(frozen=True)
class Standing:
    """Of all tasks that have not ended."""

    queued: int
    processing: int
    held: Decimal  # USD
    stages: Sequence[StageCount]  # most tasks first
    lanes: Sequence[LaneState]

    @property
    def waiting(self) -> list[StageCount]:
        """Those that wait for something, and are not being worked on."""
        return [stage for stage in self.stages if stage.waiting_for]


def standing(now: datetime | None = None) -> Standing:
    """All of it, in two queries."""
    groups = (
        Task.objects.active()
        .order_by()
        .values_list("kind", "status", "stage")
        .annotate(count=Count("pk"), since=Min("stage_since"), prices=Sum("price"))
    )
    stages: list[StageCount] = []
    counts = {Status.QUEUED: 0, Status.PROCESSING: 0}
    held = Decimal(0)
    for kind, status, stage, count, since, price in groups:
        stages.append(StageCount(status, stage, kinds.waiting_for(kind, stage), count, since))
        counts[Status(status)] += count
        held += price
    return Standing(
        queued=counts[Status.QUEUED],
        processing=counts[Status.PROCESSING],
        held=round(held, 4),
        stages=sorted(stages, key=lambda found: (-found.count, found.stage)),
        lanes=lanes(now or clock.now()),
    )


def lanes(now: datetime) -> list[LaneState]:
    """What each lane has to do, in one query."""
    due = Q(next_step_at__lte=now) & (Q(lease_until=None) | Q(lease_until__lt=now) | Q(attempts=0))
    at_work = Q(lease_until__gt=now, attempts__gt=0)
    rows = Task.objects.active().filter(due | at_work).order_by().values_list("lane")
    counted = rows.annotate(waiting=Count("pk", filter=due), oldest=Min("next_step_at", filter=due), working=Count("pk", filter=at_work))
    found = {lane: figures for lane, *figures in counted}
    states = []
    for lane in Lane.values:
        waiting, oldest, working = found.get(lane) or (0, None, 0)
        late = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
        states.append(LaneState(lane, waiting, late, working))
    return states


def running(limit: int = 20) -> list[UUID]:
    """The newest tasks that are being made."""
    return list(Task.objects.active().filter(status=Status.PROCESSING).order_by("-pk").values_list("pk", flat=True)[:limit])
