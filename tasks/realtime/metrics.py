"""What is told of streams (conduit.metrics)."""

from collections.abc import Iterator

from conduit.metrics import Count, Gauge, Metric, Reading, Sample, Times
from conduit.metrics.own import BY
from tasks.realtime.seats import seats

OPENED = Count("conduit_streams_opened_total", "Streams of tasks that were opened.", ("wire",))
RESUMED = Count("conduit_streams_resumed_total", "Streams that went on after an event that their client named.", ("wire",))
TOLD_IN = Times("conduit_event_told_seconds", "From a task's event until it was told to those who listen.")
OPEN = Gauge("conduit_streams_open", "Streams that are open, over all web processes. Missing while Redis is away.")
OWN = Gauge("conduit_process_streams_open", "Streams that a web process has open.", BY)

COUNTED: tuple[Metric, ...] = (OPENED, RESUMED, TOLD_IN, OWN)
HUB, PLAIN = "hub", "plain"


def _read() -> Iterator[Sample]:
    if (streams := seats().blocking.taken()) is not None:
        yield OPEN.of(value=streams)


STANDING = Reading("streams", (OPEN,), _read)


def told() -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    """What a web process tells of itself."""
    yield OWN, (), seats().blocking.own()
