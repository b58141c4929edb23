"""The one clock that moments are read from and compared by: the database's.

Hosts' clocks differ and step; what one process writes (due, lease, expiry, window) another compares. So each process
measures how far the database's clock is from its own monotonic one, which nobody sets, every few seconds from a thread and
a connection of its own, and `now()` is a sum. A host's clock that is wrong has no effect; a step of the database's is
noticed with the next measurement. Processes agree to about half a round trip: nothing may hang on less than that.

While the database is away the last measurement goes on. A process that never reached it goes by its host's clock, and says so.
On SQLite all processes are on one host, and its clock is the one.
"""

import asyncio
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from conduit import conditions
from conduit.conditions import Condition, Severity

log = structlog.get_logger(__name__)

# Between two measurements; after one that failed.
MEASURE_SECONDS, RETRY_SECONDS = 5.0, 1.0
# Of the round trips of one measurement the quickest says most.
TRIPS = 5
# A measurement of the last minute may have been better than the newest one, but for what clocks drift apart meanwhile:
# NTP corrects by at most 500 µs a second.
REMEMBERED_SECONDS, DRIFT = 60.0, 500e-6
# How long the first reading waits for the first measurement.
FIRST_SECONDS = 3.0
CONNECT_SECONDS = 5
# A host's clock further off is named. Nothing here goes by it, but signatures, certificates and the times of logs do, and a
# host that keeps its clock by NTP is a hundred times closer.
APART_SECONDS = 2.0

APART = Condition(
    name="clocks",
    severity=Severity.NOTICE,
    says="A host's clock is wrong.",
    found_by=f"A process finds its host's clock more than {APART_SECONDS:g} seconds off the database's.",
    what_to_do="Have NTP set the clock of that host, or the database's if all hosts are named. Videos are made all the same: "
    "they go by the database's clock. Logs, certificates and calls to S3 go by the host's.",
)
# In words that do not change each second: every change of a detail is a write.
_SPANS = [(86400, "a day"), (3600, "an hour"), (60, "a minute"), (10, "10 seconds"), (APART_SECONDS, f"{APART_SECONDS:g} seconds")]


def now() -> datetime:
    """The moment by the database's clock, in UTC. Asks nobody; may be called anywhere, on an event loop too."""
    return datetime.fromtimestamp(_clock.seconds(), UTC)


def steady() -> datetime:
    """Runs evenly and is never set, but shows no date in particular: for the pauses of one process."""
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=time.monotonic())


def start() -> None:
    """What a server process does first: measure, for a few seconds at most, and from then on name a host whose clock is wrong."""
    _clock.start()


def stop() -> None:
    """Give the connection back; the next reading of the clock opens another."""
    _clock.stop()


class Clock(Protocol):
    def seconds(self) -> float: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class HostClock:
    """This host's."""

    def seconds(self) -> float:
        return time.time()

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


@dataclass(frozen=True)
class Measurement:
    """How far the database's clock was ahead of our monotonic one, and how far off that may be, in seconds."""

    at: float  # on the monotonic clock
    offset: float
    error: float

    def error_by(self, at: float) -> float:
        return self.error + DRIFT * abs(at - self.at)

    def agrees(self, newer: "Measurement") -> bool:
        return abs(self.offset - newer.offset) <= self.error_by(newer.at) + newer.error


class DatabaseClock:
    """PostgreSQL's, as this process knows it. Any thread may read it; one thread of its own measures."""

    def __init__(self) -> None:
        self._measurements: list[Measurement] = []
        self._offset: float | None = None
        self._names_the_host = self._is_apart = False
        # A forked child must not close what its parent uses: it keeps it, and leaves it alone.
        self._inherited: list[Any] = []
        self._begin_anew()
        os.register_at_fork(after_in_child=self._after_fork)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._asked, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Any = None

    def _after_fork(self) -> None:
        """The child has the monotonic clock of its parent, and with it the offset, but neither its thread nor its connection."""
        self._inherited.append(self._connection)
        self._names_the_host = False  # the parent does
        self._begin_anew()

    def seconds(self) -> float:
        if self._thread is None:
            self._measure_from_now_on()
        offset = self._offset
        return time.monotonic() + (self._first() if offset is None else offset)

    def start(self) -> None:
        self._names_the_host = True
        self.seconds()

    def stop(self) -> None:
        if thread := self._thread:
            self._over.set()
            thread.join()
            self._begin_anew()

    def _first(self) -> float:
        """The offset when nothing was measured yet: by the first measurement, or else by the host's clock."""
        if not self._asked.is_set() and not _on_event_loop():
            self._asked.wait(FIRST_SECONDS)
            self._asked.set()  # nobody waits again
        return time.time() - time.monotonic() if self._offset is None else self._offset

    def _measure_from_now_on(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._measure_on, name="clock", daemon=True)
                self._thread.start()

    def _measure_on(self) -> None:
        answers = True
        over = self._over
        while not over.is_set():
            try:
                self._measure()
                if self._names_the_host:
                    self._name_the_host()
            except Exception as error:  # noqa: BLE001 - whatever it was, this thread goes on
                if answers:
                    by = "the host's clock" if self._offset is None else "the last measurement"
                    log.warning("the database's clock cannot be read", goes_by=by, error=type(error).__name__)
                self._disconnect()
                answers = False
            else:
                answers = True
            self._asked.set()
            over.wait(MEASURE_SECONDS if answers else RETRY_SECONDS)
        self._disconnect()

    # ---- Measuring ----

    def _measure(self) -> None:
        if self._connection is None:
            self._connection = _connect()
        self.learn(min((self._trip() for _ in range(TRIPS)), key=lambda measured: measured.error))

    def _trip(self) -> Measurement:
        sent = time.monotonic()
        (there,) = self._connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        back = time.monotonic()
        return Measurement(at=back, offset=there - (sent + back) / 2, error=(back - sent) / 2)

    def learn(self, newest: Measurement) -> None:
        """Go by the best of the last minute. One that the newest contradicts is from before the database's clock was set."""
        lately = [old for old in self._measurements if newest.at - old.at < REMEMBERED_SECONDS and old.agrees(newest)]
        self._measurements = [*lately, newest]
        self._offset = min(self._measurements, key=lambda measured: measured.error_by(newest.at)).offset

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ---- The host's clock ----

    def _name_the_host(self) -> None:
        """Report that it is further off than APART_SECONDS, or that it no longer is."""
        from django.db import connection

        detail = _apart(time.time() - self.seconds())
        if detail is None and not self._is_apart:
            return
        if not self._is_apart:
            log.warning("this host's clock is wrong", detail=detail)
        self._is_apart = detail is not None
        try:
            conditions.report(APART.name, subject=socket.gethostname(), detail=detail)
        finally:
            connection.close()


def _connect() -> Any:
    """A connection of the clock's own: it takes no place in a pool, and belongs to nobody's transaction."""
    from django.db import connection

    from conduit.postgresql.wire import WatchedConnection

    parameters = {"connect_timeout": CONNECT_SECONDS} | connection.get_connection_params()
    return WatchedConnection.connect(**parameters, autocommit=True)


def _apart(seconds: float) -> str | None:
    """How far a host's clock is off that is so many seconds ahead; None when it is near enough."""
    for span, words in _SPANS:
        if abs(seconds) > span:
            return f"Its clock is more than {words} {'ahead of' if seconds > 0 else 'behind'} the database's."
    return None


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Chosen:
    """Chosen by the database's kind when the clock is first read: settings may not be read before."""

    _by_kind: Clock | None = None
    _lock = threading.Lock()

    def _chosen(self) -> Clock:
        with self._lock:
            if self._by_kind is None:
                from django.db import connection

                self._by_kind = DatabaseClock() if connection.vendor == "postgresql" else HostClock()
            return self._by_kind

    def seconds(self) -> float:
        return (self._by_kind or self._chosen()).seconds()

    def start(self) -> None:
        self._chosen().start()

    def stop(self) -> None:
        self._chosen().stop()


_clock: Clock = _Chosen()
