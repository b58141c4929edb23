"""How the place is, as it was kept: for `/health`, the console and other readers."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import Error, connection
from django.db.models.functions import Now

from conduit.conditions.looking import OLD_SECONDS
from conduit.conditions.models import LastLook, Standing
from conduit.conditions.registry import Condition, Severity, registered

log = structlog.get_logger(__name__)

DATABASE, CONTROL = "database", "control"
# Far above what a place writes, with as many reporters as it may have.
ROWS_MAX = 5000
# Between two tries of the database while it is away.
AWAY_LOOK_SECONDS = 0.5


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
    def is_known(self) -> bool:
        """False while the database is away, and nothing is known but that."""
        return all(state.known for state in self.states)

    @property
    def holding(self) -> list[State]:
        """What holds, worst first."""
        return sorted((state for state in self.states if state.holds), key=lambda state: -state.condition.severity)

    @property
    def severity(self) -> Severity | None:
        """Of the worst that holds; None while nothing does."""
        return max((state.condition.severity for state in self.states if state.holds), default=None)


def place() -> Place:
    """All of it, in two queries; in none while the database is known to be away. What only a reader can find is found here: that it is
    away, that nobody looks."""
    if since := _database.away_since:
        return _without_database(since)
    try:
        last, rows = _kept()
    except Error as error:
        log.warning("conditions not read", error=type(error).__name__)
        return _without_database(_database.gave_no_answer())
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


def _kept() -> tuple[LastLook | None, list[Standing]]:
    last = LastLook.objects.annotate(now=Now()).filter(pk=LastLook.ONLY).first()
    return last, list(Standing.objects.current().order_by("name", "subject", "since")[:ROWS_MAX])


def _without_database(since: datetime) -> Place:
    away = Subject("", "The database does not answer.", since)
    states = [
        State(condition, (away,) if condition.name == DATABASE else (), known=condition.name == DATABASE) for condition in registered()
    ]
    return Place(states, None)


def _answers() -> bool:
    try:
        _kept()
    except Exception:  # noqa: BLE001 - whatever it is, nobody but this thread finds out when it is over
        return False
    else:
        return True
    finally:
        with suppress(Exception):
            connection.close()


class _Database:
    """Since when this process has had no answer: by its own clock, since the database's cannot be asked.

    While it is away one thread asks, and no reader does: a web process's pool would let each wait for seconds, and who watches the
    place must be told at once.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.away_since: datetime | None = None
        self.asking: threading.Thread | None = None
        self._lock = threading.Lock()

    def gave_no_answer(self) -> datetime:
        with self._lock:
            since = self.away_since or datetime.now(UTC)  # noqa: TID251 - as the docstring says
            if self.away_since is None:
                self.asking = threading.Thread(target=self._ask_on, args=(since,), name="the database is away", daemon=True)
                self.asking.start()
                self.away_since = since  # once somebody asks: else nobody would ever find out that it is back
            return since

    def _ask_on(self, since: datetime) -> None:
        while not _answers():
            time.sleep(AWAY_LOOK_SECONDS)
        with self._lock:
            if self.away_since is since:
                self.away_since = None


_database = _Database()
# A child has no thread that asks, and may have been forked while somebody held the lock.
os.register_at_fork(after_in_child=_database._reset)
