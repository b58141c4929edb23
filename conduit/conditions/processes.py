"""Workers and beat by name: who was heard lately, who is missed, and of which kind nobody is left.

Redis knows the beats; rows keep the names, because Redis may forget. What is compared is compared by one clock: ages by
Redis's, moments in rows by the database's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.db.models.functions import Now

from conduit import heartbeats
from conduit.conditions.models import LastLook, Process
from conduit.conditions.registry import CannotTell, Findings
from conduit.heartbeats import BEAT_SECONDS, LATELY_SECONDS, MISSED_SECONDS, Heard, host_of, kind_of

# A row that says when a process was heard is written no more often than this.
WRITE_SECONDS = 2 * BEAT_SECONDS
# Of a silent process the last beat is written as exactly as two clocks compare: one that began after it takes its place.
SILENT_WRITE_SECONDS = 0.1


@dataclass
class _Look:
    """What the look at hand knows. After Redis was away everybody gets the time to be heard again."""

    heard: Heard | None = None
    judges_from: float = 0.0


_look = _Look()


def missed() -> Findings:
    """The processes that ended without saying so, or hang. Runs before the looks of `nobody_of`, which use what it heard."""
    _look.heard = None
    try:
        _look.heard = heard = heartbeats.heard()
        silent = _bring_up_to_date(heard)
    except redis.RedisError:
        _look.judges_from = time.monotonic() + LATELY_SECONDS
        raise CannotTell from None
    if silent and time.monotonic() < _look.judges_from:
        raise CannotTell
    return {row.name: f"Last heard at {row.heard_at:%Y-%m-%d %H:%M:%S} UTC." for row in silent}


def nobody_of(kind: str) -> Callable[[], Findings]:
    """The look of a condition that holds while no process of that kind is at work."""

    def look() -> Findings:
        if _look.heard is None:
            raise CannotTell
        if any(kind_of(name) == kind for name in _look.heard.alive):
            return {}
        if time.monotonic() < _look.judges_from:
            raise CannotTell
        return {"": "None was heard lately."}

    return look


def _bring_up_to_date(heard: Heard) -> list[Process]:
    """Write what was heard; those that were not heard lately and are missed."""
    now = LastLook.objects.values_list(Now(), flat=True).get()
    rows = {row.name: row for row in Process.objects.all()}
    changed = []
    for name, age in heard.ages.items():
        at = now - timedelta(seconds=age)
        row = rows.setdefault(name, Process(name=name, began_at=at, heard_at=at))
        if row.pk is None or at - row.heard_at > timedelta(seconds=SILENT_WRITE_SECONDS if age >= LATELY_SECONDS else WRITE_SECONDS):
            row.heard_at = at
            changed.append(row)
    silent = sorted((row for row in rows.values() if row.name not in heard.alive), key=lambda row: row.heard_at)
    gone = {row.name for row in silent if row.name in heard.left or now - row.heard_at > timedelta(seconds=MISSED_SECONDS)}
    gone |= _replaced([row for row in silent if _is_silent(row, now) and row.name not in gone], list(rows.values()), heard, changed)
    _write([row for row in changed if row.name not in gone], gone)
    heartbeats.forget(gone | set(heard.left))
    return [row for row in silent if row.name not in gone and _is_silent(row, now)]


def _is_silent(row: Process, now: datetime) -> bool:
    """Redis may have forgotten a name that beats all the same: the row knows when it was last heard."""
    return now - row.heard_at > timedelta(seconds=LATELY_SECONDS)


def _replaced(silent: list[Process], rows: list[Process], heard: Heard, changed: list[Process]) -> set[str]:
    """Whose place was taken by one of its kind that began on its host afterwards, such as by the supervisor that restarts it."""
    gone = set()
    newcomers = [row for row in rows if row.name in heard.alive and not row.replaced_another]
    for row in silent:
        for newcomer in newcomers:
            alike = kind_of(newcomer.name) == kind_of(row.name) and host_of(newcomer.name) == host_of(row.name)
            if alike and newcomer.began_at >= row.heard_at:
                newcomer.replaced_another = True
                newcomers.remove(newcomer)
                changed.append(newcomer)
                gone.add(row.name)
                break
    return gone


def _write(changed: list[Process], gone: set[str]) -> None:
    if changed:
        Process.objects.bulk_create(
            {row.name: Process(**_values(row)) for row in changed}.values(),
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["heard_at", "replaced_another"],
        )
    if gone:
        Process.objects.filter(name__in=gone).delete()


def _values(row: Process) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("name", "began_at", "heard_at", "replaced_another")}


@dataclass(frozen=True)
class Seen:
    """A worker or beat, as `provider@HOST:PID`."""

    name: str
    kind: str
    heard_at: datetime
    is_heard: bool  # lately


def roster() -> list[Seen]:
    """Those that are at work and those that are missed, by name, as the last look found them. One query."""
    rows = Process.objects.annotate(now=Now()).order_by("name")
    return [Seen(row.name, kind_of(row.name), row.heard_at, not _is_silent(row, row.now)) for row in rows]


def forget(name: str) -> bool:
    """Miss it no more; False when nobody of that name was heard of."""
    found, _ = Process.objects.filter(name=name).delete()
    heartbeats.forget([name])
    return bool(found)
