"""Writing what this process alone knows, such as MiniMax's answer to an order, through a database that goes away meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.db import connection, transaction
from django.db.utils import InterfaceError, OperationalError

log = structlog.get_logger(__name__)

T = TypeVar("T")

# What a database raises that is away, restarts, or cannot take a write right now.
AWAY = (OperationalError, InterfaceError)
# Between two tries; the first pause doubles up to the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0


@dataclass
class _Try:
    """A transaction that may have been committed although its answer did not come; `number` is the database's for it."""

    number: str
    result: object


def insist(write: Callable[[], T], *, until: Callable[[], float]) -> T:
    """What `write()` returns, done in one transaction; while the database is away it is tried again, over a fresh connection.

    `until` tells the moment on the monotonic clock after which the database's error is raised. `write` may be called several
    times, but never after one of its transactions was committed: when the answer to a COMMIT was lost, the database is asked
    what became of it. What was to be done on that commit is then left to the sweeps. Inside a transaction there is one try.
    """
    if connection.in_atomic_block:
        return _try(write)
    unsure: list[_Try] = []
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            if unsure and _was_committed(unsure[-1]):
                return unsure[-1].result  # type: ignore[return-value]  # this write's own
            unsure.clear()
            return _try(write, unsure)
        except AWAY as error:
            connection.close()  # whoever comes next gets a fresh one
            if time.monotonic() + pause > until():
                raise
            log.warning("not written yet: the database is away", error=type(error).__name__, tries_again_in=pause)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _try(write: Callable[[], T], unsure: list[_Try] | None = None) -> T:
    with transaction.atomic():
        result = write()
        if unsure is not None and (number := _number()):
            unsure.append(_Try(number, result))
    return result


def _number() -> str | None:
    """Of the transaction under way; None when it wrote nothing. SQLite needs none: its COMMIT has no answer that could get lost."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id_if_assigned()::text")
        return cursor.fetchone()[0]


def _was_committed(tried: _Try) -> bool:
    """Raises OperationalError while that cannot be told: its server process may not have noticed yet that we are gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_xact_status(%s::xid8)", [tried.number])
        status = cursor.fetchone()[0]
    if status == "in progress":
        raise OperationalError("the transaction whose answer was lost is still under way")
    return bool(status == "committed")
