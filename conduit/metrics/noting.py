"""What this process notes of what it does: put on a deque, which takes no lock, and handed in by a thread of its own."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, close_old_connections, connection, connections, transaction

from conduit.metrics import own
from conduit.metrics.registry import Count, Times
from conduit.metrics.totals import Totals

log = structlog.get_logger(__name__)

HAND_IN_SECONDS = 2.0
OWN_SECONDS = 5.0
# How long the thread of a web process keeps its connection.
CONNECTION_SECONDS = 60
# What is noted within a turn at most. Beyond it the oldest is lost.
NOTED_MAX = 200_000


class Notes:
    """What was noted and not handed in yet. Before `begin` nothing is: commands and tests tell nobody."""

    def __init__(self) -> None:
        self._is_on = self._is_child = False
        self._kind = ""
        self._others: list[Callable[[], None]] = []
        self._reset()

    def _reset(self) -> None:
        self._noted: deque[tuple[Count | Times, tuple[str, ...], float]] = deque(maxlen=NOTED_MAX)
        self._totals = Totals()
        self._is_open = False  # what was not written yet is in there
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def _after_fork(self) -> None:
        """A child counts for itself, from its first note on, and tells nothing of itself: it has its parent's name."""
        self._reset()
        self._is_child = True

    def begin(self) -> None:
        """Note from now on, in processes too that are forked from this one."""
        self._is_on = True

    def tell(self, kind: str) -> None:
        """Tell of this process too how it stands, from now on; `kind`: what it does, such as `web`."""
        self._is_on, self._kind = True, kind
        self._run()

    def also(self, hand_in: Callable[[], None]) -> None:
        """Have that called as often, of a room that notes what goes elsewhere. What it could not write it keeps, and raises why."""
        self._others.append(hand_in)

    def note(self, metric: Count | Times, labels: tuple[str, ...], amount: float) -> None:
        """See conduit.metrics.note."""
        if not self._is_on:
            return
        self._noted.append((metric, labels, amount))
        if self._thread is None:
            self._run()

    @property
    def _tells(self) -> bool:
        return bool(self._kind) and not self._is_child

    def _run(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._hand_in_from_now_on, name="metrics", daemon=True)
                self._thread.start()

    def hand_in(self) -> None:
        """Hand in what was noted, here and by others."""
        self._add_to_totals()
        for hand_in in self._others:
            hand_in()

    def _add_to_totals(self) -> None:
        """In one transaction. It stays ours when that fails."""
        with self._lock:
            for _ in range(len(self._noted)):
                metric, labels, amount = self._noted.popleft()
                self._is_open = True
                if isinstance(metric, Times):
                    self._totals.add_seconds(metric, *labels, seconds=amount)
                else:
                    self._totals.add(metric, *labels, amount=amount)
            if self._is_open:
                with transaction.atomic():
                    self._totals.write()
                self._is_open = False

    def _hand_in_from_now_on(self) -> None:
        _leave_the_pool()
        told_at = -float("inf")
        while True:
            try:
                close_old_connections()
                if self._tells and time.monotonic() - told_at >= OWN_SECONDS:
                    own.tell(self._kind)
                    told_at = time.monotonic()
                self.hand_in()
            except (InterfaceError, OperationalError) as error:
                log.warning("metrics are not handed in: the database is away", error=type(error).__name__)
                connection.close()
            except Exception:
                log.exception("metrics could not be handed in, and are lost")
                self._totals, self._is_open = Totals(), False  # what cannot be written must not keep the rest for ever
                connection.close()
            time.sleep(HAND_IN_SECONDS)

    def end(self) -> None:
        """Hand in what is left: this process ends. It bears a database that is away."""
        if not self._is_on:
            return
        try:
            self.hand_in()
            if self._tells:
                own.leave(self._kind)
        except Error as error:
            log.warning("metrics are lost: the database is away", error=type(error).__name__)
        finally:
            connection.close()


def _leave_the_pool() -> None:
    """Give this thread a connection of its own: that of a web process's pool are for requests, and of one that is used up it is to tell."""
    own_connection = connections[DEFAULT_DB_ALIAS].copy()
    if own_connection.settings_dict["OPTIONS"].pop("pool", None):
        own_connection.settings_dict["CONN_MAX_AGE"] = CONNECTION_SECONDS
        connections[DEFAULT_DB_ALIAS] = own_connection


_notes = Notes()
os.register_at_fork(after_in_child=_notes._after_fork)
begin, tell, also, note, end = _notes.begin, _notes.tell, _notes.also, _notes.note, _notes.end
