"""Every process that is at work, as it told of itself last: web processes, workers and beat, by host."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models.functions import Now

from conduit.conditions.models import DrainedHost
from conduit.heartbeats import host_of
from conduit.metrics import own
from conduit.metrics.models import OwnFigures


@dataclass(frozen=True)
class Running:
    """One process."""

    name: str  # as `web@HOST:PID`
    kind: str  # what it does
    host: str
    version: str
    age_seconds: float
    memory_bytes: float
    steps: int | None  # that it has at hand; None: it does none


@dataclass(frozen=True)
class Host:
    name: str
    is_drained: bool
    processes: Sequence[Running]

    @property
    def steps(self) -> int:
        """At hand in all of its processes."""
        return sum(process.steps or 0 for process in self.processes)


def host_named(name: str) -> Host | None:
    """That host; None when no process of it is at work and it is not drained."""
    return next((host for host in hosts() if host.name == name), None)


def hosts() -> list[Host]:
    """Those that have processes, or are drained, by name. Two queries."""
    drained = set(DrainedHost.objects.values_list("host", flat=True))
    processes = [_running(row) for row in OwnFigures.objects.fresh(own.FRESH_SECONDS).annotate(now=Now()).order_by("process")]
    names = sorted({process.host for process in processes} | drained)
    return [Host(name, name in drained, [process for process in processes if process.host == name]) for name in names]


def _running(row: OwnFigures) -> Running:
    values = {name: (labels, value) for name, labels, value in row.samples}
    labels, _ = values.get(own.INFO.name, (["", "", ""], 1))
    _, steps = values.get(own.STEPS.name, ([], None))
    return Running(
        name=row.process,
        kind=row.kind,
        host=host_of(row.process),
        version=labels[2],
        age_seconds=values.get(own.STARTED.name, ([], 0.0))[1],
        memory_bytes=values.get(own.MEMORY.name, ([], 0.0))[1],
        steps=None if steps is None else int(steps),
    )
