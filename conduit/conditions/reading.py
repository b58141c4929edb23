"""How the place is, as it was kept: for `/health`, the console and other readers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from django.db import Error
from django.db.models.functions import Now

from conduit.conditions.looking import OLD_SECONDS
from conduit.conditions.models import LastLook, Standing
from conduit.conditions.registry import Condition, Severity, registered

log = structlog.get_logger(__name__)

DATABASE, CONTROL = "database", "control"
# Far above what a place writes, with as many reporters as it may have.
ROWS_MAX = 5000


@dataclass(frozen=True)
class Subject:
    """What a condition holds for; `since` is None when it is not known."""

    subject: str
    detail: str
    since: datetime | None


@dataclass(frozen=True)
class State:
    """A condition and what it holds for; `known` is False when that cannot be read."""

    condition: Condition
    subjects: Sequence[Subject] = ()
    known: bool = True

    @property
    def holds(self) -> bool | None:
        return bool(self.subjects) if self.known else None


@dataclass(frozen=True)
class Place:
    """Every condition's state, in the order in which they were registered."""

    states: Sequence[State]
    looked_at: datetime | None

    @property
    def holding(self) -> list[State]:
        """What holds, worst first."""
        return sorted((state for state in self.states if state.holds), key=lambda state: -state.condition.severity)

    @property
    def severity(self) -> Severity | None:
        """Of the worst that holds; None while nothing does."""
        return max((state.condition.severity for state in self.states if state.holds), default=None)


def place() -> Place:
    """All of it, in two queries. What only a reader can find is found here: that the database is away, that nobody looks."""
    try:
        last = LastLook.objects.annotate(now=Now()).filter(pk=LastLook.ONLY).first()
        rows = list(Standing.objects.current().order_by("name", "subject", "since")[:ROWS_MAX])
    except Error as error:
        log.warning("conditions not read", error=type(error).__name__)
        return _without_database()
    _database.answers()
    found = _by_name(rows)
    if silence := _silence(last):
        found.setdefault(CONTROL, {})[""] = silence
    states = [State(condition, tuple(found.get(condition.name, {}).values())) for condition in registered()]
    return Place(states, last.looked_at if last else None)


def _by_name(rows: Sequence[Standing]) -> dict[str, dict[str, Subject]]:
    """By condition and subject. What several processes report of one subject holds since the first of them said so."""
    found: dict[str, dict[str, Subject]] = {}
    for row in rows:
        found.setdefault(row.name, {}).setdefault(row.subject, Subject(row.subject, row.detail, row.since))
    return found


def _silence(last: LastLook | None) -> Subject | None:
    """That nobody looks."""
    if last is None or last.looked_at is None:
        return Subject("", "No control process has looked at the place yet.", None)
    now: datetime = last.now  # type: ignore[attr-defined] # annotated
    if now - last.looked_at < timedelta(seconds=OLD_SECONDS):
        return None
    return Subject("", "No control process looks at the place: what else is told here is as old as this.", last.looked_at)


def _without_database() -> Place:
    away = Subject("", "The database does not answer.", _database.away())
    states = [
        State(condition, (away,) if condition.name == DATABASE else (), known=condition.name == DATABASE) for condition in registered()
    ]
    return Place(states, None)


@dataclass
class _Away:
    """Since when this process has had no answer: by its own clock, since the database's cannot be asked."""

    _since: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answers(self) -> None:
        self._since = None

    def away(self) -> datetime:
        with self._lock:
            self._since = self._since or datetime.now(UTC)  # noqa: TID251 - as the docstring says
            return self._since


_database = _Away()
