"""Connections that notice when nobody is at the other end.

A connection whose end was told (a restart) is seen to be dead before it is used. One that went silent (a firewall that forgot it, a
hung server) is found in two ways: before use, by a question that must be answered at once; in use, by asking the server over
another connection whether it is still at work on the statement. So a slow statement may take as long as it likes. Networks that
drop packets are the kernel's to find (keepalives and tcp_user_timeout, conduit/database.py).
"""

import logging
import select
import time
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import READY_NONE

logger = logging.getLogger(__name__)

# A connection that was heard so lately (seconds) is used without a question when its socket says nothing to the contrary, which is
# known in a microsecond.
_LATELY = 1.0
# How long a server may take to answer a question that costs it nothing, in seconds: whether it is there, what a connection of ours does.
_ANSWER_SECONDS = 2.0
# A statement that says nothing for so long makes us ask; then after twice as long, and so on to the longest.
_QUIET_SECONDS, _QUIET_SECONDS_MAX = 3.0, 24.0
# An answer that was on its way while we asked.
_LAST_CHANCE_SECONDS = 0.5

# Of the process with this id: whether it works (a pooler in between would show as another process than the one we were told of).
_IS_AT_WORK = """
SELECT pg_backend_pid(), bool_or(
    state IS NULL OR state = 'disabled' OR (state NOT LIKE 'idle%%' AND wait_event_type IS DISTINCT FROM 'Client')
) FROM pg_stat_activity WHERE pid = %s
"""

# The process with this id, if it is as old as our connection: behind the same address may be another server by now, where the number
# is somebody else's.
_TERMINATE = """
SELECT pg_backend_pid(), bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid = %s AND abs(extract(epoch FROM clock_timestamp() - backend_start) - %s) < 10
"""

# When a connection was last found silent: those that were not heard since are not worth a question each.
_silent_at = -float("inf")


class WatchedConnection(psycopg.Connection[Any]):
    """A connection whose statements end within about five seconds when the server, or the way to it, is gone without a word.

    They raise psycopg.OperationalError then, and the connection is closed.
    """

    def __init__(self, pgconn: PGconn, *args: Any, **kwargs: Any) -> None:
        super().__init__(pgconn, *args, **kwargs)
        self._heard = self._opened = time.monotonic()
        self._patience: float | None = None
        self._is_known_elsewhere = False

    def lives(self) -> bool:
        """Whether the server is there, asked at most for two seconds; closed when it is not. Not for use within a transaction."""
        if self.closed:
            return False
        if time.monotonic() - self._heard < _LATELY and not _has_something_to_read(self.pgconn.socket):
            return True
        try:
            self._ask()
        except psycopg.Error as error:
            logger.info("a database connection is dead (%s)", type(error).__name__)
            self.close()
        return not self.closed

    def _ask(self) -> None:
        self.pgconn.consume_input()
        if self.pgconn.status != ConnStatus.OK or self._heard < _silent_at:
            raise psycopg.OperationalError("the connection is lost")
        if self.autocommit and self.pgconn.transaction_status == TransactionStatus.IDLE:
            self._patience = _ANSWER_SECONDS
            try:
                self.execute("")
            finally:
                self._patience = None

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        found = super().wait(self._watched(gen) if timeout is None else gen, interval, timeout)
        self._heard = time.monotonic()
        return found

    def _watched(self, gen: PQGen[Any]) -> PQGen[Any]:
        """`gen`, until nobody is there to answer it."""
        try:
            wanted = next(gen)
            quiet = self._patience or _QUIET_SECONDS
            look_at, is_last_chance = time.monotonic() + quiet, self._patience is not None
            while True:
                ready = yield wanted
                if ready != READY_NONE:
                    look_at, is_last_chance = time.monotonic() + quiet, self._patience is not None
                elif time.monotonic() >= look_at:
                    if is_last_chance:
                        raise self._silent()
                    is_last_chance = not self._server_is_at_work()
                    quiet = min(quiet * 2, _QUIET_SECONDS_MAX)
                    look_at = time.monotonic() + (_LAST_CHANCE_SECONDS if is_last_chance else quiet)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _silent(self) -> psycopg.OperationalError:
        global _silent_at
        _silent_at = time.monotonic()
        if self._is_known_elsewhere:
            # The server may not find out for hours, and keep the locks of our transaction.
            with suppress(psycopg.Error):
                self._ask_elsewhere(_TERMINATE, time.monotonic() - self._opened)
        self.close()
        return psycopg.OperationalError("the connection went silent")

    def _server_is_at_work(self) -> bool:
        """False when the server does not know of our statement, or cannot be reached; True when that cannot be told."""
        try:
            is_at_work = self._ask_elsewhere(_IS_AT_WORK)
            self._is_known_elsewhere = is_at_work is False
            return is_at_work is not False
        except (psycopg.errors.ConnectionTimeout, _Late):
            return False
        except psycopg.Error as error:  # it has no room for another connection, or is starting: it will say so to this one, too
            logger.info("whether the database is at work could not be asked (%s)", type(error).__name__)
            return True

    def _ask_elsewhere(self, question: str, *more: object) -> bool | None:
        """What the server answers to a question about the process of this connection; None where a pooler in between hides it."""
        mine = {option.keyword.decode(): option.val.decode() for option in self.pgconn.info if option.val}
        same = {"host": self.pgconn.host.decode(), "port": self.pgconn.port.decode(), "connect_timeout": str(int(_ANSWER_SECONDS))}
        with _BriefConnection.connect(make_conninfo(**(mine | same)), autocommit=True) as other:
            [(asked, answer)] = other.execute(question, [self.info.backend_pid, *more]).fetchall()
            return bool(answer) if asked == other.info.backend_pid else None


class _Late(psycopg.OperationalError):
    pass


class _BriefConnection(psycopg.Connection[Any]):
    """One that waits for nothing longer than for an answer that costs nothing."""

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, _ANSWER_SECONDS)
        except psycopg.errors._WaitTimeout:
            self.close()
            raise _Late from None


def _has_something_to_read(descriptor: int) -> bool:
    """On an idle connection that is its end, or a notice."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
