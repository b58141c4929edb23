"""How the tasks that have not ended stand at this moment. Everything here reads those alone, however many have ended."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django.db.models import Count, Min, Q, Sum

from conduit import clock
from tasks import kinds
from tasks.models import ACTIVE, Lane, Status, Task


@dataclass(frozen=True)
class StageCount:
    """How many tasks are at a stage, and since when the first of them is."""

    status: str
    stage: str
    waiting_for: str | None  # in the contract's word, such as pause, rate, provider
    in_line: bool  # whether they wait so in a line, whatever their stage
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
class Workload:
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


def workload(now: datetime | None = None) -> Workload:
    """All of it in one query, which reads each task under way once."""
    now = now or clock.now()
    due = Q(next_step_at__lte=now) & (Q(lease_until=None) | Q(lease_until__lt=now) | Q(attempts=0))
    groups = (
        Task.objects.active()
        .order_by()
        .values("kind", "status", "stage", "lane", "waits_for")
        .annotate(
            count=Count("pk"),
            since=Min("stage_since"),
            prices=Sum("price"),
            waiting=Count("pk", filter=due),
            oldest=Min("next_step_at", filter=due),
            at_work=Count("pk", filter=Q(lease_until__gt=now, attempts__gt=0)),
        )
    )
    found = cast(list[dict[str, Any]], list(groups))
    counts = {status: sum(group["count"] for group in found if group["status"] == status) for status in ACTIVE}
    return Workload(
        queued=counts[Status.QUEUED],
        processing=counts[Status.PROCESSING],
        held=round(sum((group["prices"] for group in found), Decimal(0)), 4),
        stages=sorted(_stages(found), key=lambda stage: (-stage.count, stage.stage)),
        lanes=[_lane(lane, [group for group in found if group["lane"] == lane], now) for lane in Lane.values],
    )


def _stages(groups: Sequence[dict[str, Any]]) -> Iterator[StageCount]:
    """A stage of several lanes is one; those that wait in a line are told apart from those that do not."""
    known: dict[tuple[str, str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for group in groups:
        known[group["kind"], group["status"], group["stage"], group["waits_for"]].append(group)
    for (kind, status, stage, line), of in known.items():
        count, since = sum(group["count"] for group in of), min(group["since"] for group in of)
        yield StageCount(status, stage, kinds.waiting_for(kind, stage, line), bool(line), count, since)


def _lane(lane: str, groups: Sequence[dict[str, Any]], now: datetime) -> LaneState:
    oldest = min((group["oldest"] for group in groups if group["oldest"]), default=None)
    return LaneState(
        lane,
        waiting=sum(group["waiting"] for group in groups),
        late_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
        at_work=sum(group["at_work"] for group in groups),
    )


def running(limit: int = 20) -> list[UUID]:
    """The newest tasks that are being made."""
    return list(Task.objects.active().filter(status=Status.PROCESSING).order_by("-pk").values_list("pk", flat=True)[:limit])
