"""Writing what this process alone knows, such as MiniMax's answer to an order, through a database that goes away meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog
from django.db import connection, transaction
from django.db.utils import DataError, InterfaceError, InternalError, OperationalError

log = structlog.get_logger(__name__)

T = TypeVar("T")

# What a database raises that is away, restarts, or cannot take a write right now; InternalError: while it is not the primary yet.
AWAY = (OperationalError, InterfaceError, InternalError)
# Between two tries; the first pause doubles up to the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0


@dataclass(frozen=True)
class _Attempt:
    """A transaction that may have been committed although its answer did not come; `number` is the database's for it, if it wrote."""

    number: str | None
    result: Any


def insist(write: Callable[[], T], *, until: Callable[[], float]) -> T:
    """What `write()` returns, done in one transaction; while the database is away it is tried again, over a fresh connection.

    `until` tells the moment on the monotonic clock after which the database's error is raised. `write` may be called several
    times, but never after one of its transactions was committed: when the answer to a COMMIT was lost, the database is asked
    what became of it. What was to be done on that commit is then left to the sweeps. Inside a transaction there is one try.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return write()
    attempt: _Attempt | None = None
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            if attempt and attempt.number and _was_committed(attempt):
                return cast(T, attempt.result)
            attempt = None
            with transaction.atomic():
                result = write()
                attempt = _Attempt(_number(), result)
            return result
        except AWAY as error:
            connection.close()  # the next caller gets a fresh one
            if time.monotonic() + pause > until():
                raise
            log.warning("not written yet: the database is away", error=type(error).__name__, tries_again_in=pause)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _number() -> str | None:
    """Of the transaction under way; None when it wrote nothing. SQLite needs none: its COMMIT has no answer that could get lost."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id_if_assigned()::text")
        number: str | None = cursor.fetchone()[0]
        return number


def _was_committed(attempt: _Attempt) -> bool:
    """Raises OperationalError while that cannot be told: its server process may not have noticed yet that we are gone."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT pg_xact_status(%s::xid8)", [attempt.number])
        except DataError:  # it is in this server's future: another took its place that never had it
            return False
        status = cursor.fetchone()[0]
    if status == "in progress":
        raise OperationalError("the transaction whose answer was lost is still under way")
    return bool(status == "committed")
