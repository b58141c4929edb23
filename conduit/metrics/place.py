"""How the whole place stands, read once for all web processes: by whichever is asked first when what was kept is old."""

from collections.abc import Iterator

import structlog
from django.db import transaction
from django.db.models.functions import Now

from conduit.metrics import own
from conduit.metrics.models import Snapshot, ago
from conduit.metrics.registry import Gauge, Sample, readings

log = structlog.get_logger(__name__)

# How old what was read may be before somebody reads anew.
FRESH_SECONDS = 3.0
FAILED = Gauge("conduit_reading_failed", "1 for each group of figures that could not be read: they are missing.", ("reading",))


def snapshot() -> tuple[list[Sample], float]:
    """What was read last, and its age in seconds. Two queries; for the process whose turn it is to read, those of all readings too."""
    kept = _kept()
    if kept is None or _is_ours():
        samples = list(_read())
        _keep(samples)
        return samples, 0.0
    return kept


def _kept() -> tuple[list[Sample], float] | None:
    row = Snapshot.objects.annotate(now=Now()).filter(pk=Snapshot.ONLY, read_at__isnull=False).first()
    if row is None or row.read_at is None:
        return None
    samples = [Sample(name, tuple(labels), value) for name, labels, value in row.samples]
    return samples, max(0.0, (row.now - row.read_at).total_seconds())


def _is_ours() -> bool:
    """Whether it is our turn to read: of those that ask at once one's. One that is killed then has kept others from it for a moment."""
    return bool(Snapshot.objects.filter(pk=Snapshot.ONLY, begun_at__lte=ago(FRESH_SECONDS)).update(begun_at=Now()))


def _read() -> Iterator[Sample]:
    """Each reading for itself: what is wrong with one leaves the others."""
    for reading in readings():
        try:
            with transaction.atomic():
                samples = list(reading.read())
        except Exception:
            log.exception("figures not read", reading=reading.name)
            yield FAILED.of(reading.name, value=1)
        else:
            yield from samples


def _keep(samples: list[Sample]) -> None:
    Snapshot.objects.bulk_create(
        [Snapshot(begun_at=Now(), read_at=Now(), samples=samples)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["read_at", "samples"],
    )
    own.forget_old()
