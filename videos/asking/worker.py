"""Asking as a part of Celery's worker: of every one that does the steps of the lane `provider`."""

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import structlog
from celery import bootsteps
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

from conduit import clock
from tasks import due, waking
from tasks.leases import Lease
from tasks.models import Lane
from videos import engine
from videos.asking import rounds, rows
from videos.asking.accounts import Accounts
from videos.asking.askers import Answer, Askers
from videos.minimax.errors import MiniMaxError

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

# What is claimed, and written back, with one statement at most.
BATCH = 200
# How long what is due and what is answered waits for others, in seconds.
GATHER_SECONDS = 0.05
# Between two looks, in seconds: when nothing is known to be due before, and after an error.
LOOK_SECONDS, ERROR_SECONDS = 0.5, 1.0
# Questions that this process has claimed and not written back, at most.
AT_HAND_MAX = 4_000
# Threads that write what changed, each with a connection to the database.
HANDS = 4
# How long a worker that ends waits for the answers that are under way.
END_SECONDS = 10.0
_TIDY_SECONDS = 10.0


class AsksMiniMax(bootsteps.StartStopStep):
    """Celery's part of it."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        return Lane.ASKING.queue in parent.app.amqp.queues.consume_from

    def create(self, parent: Any) -> Any:
        return Asking()

    def close(self, parent: Any) -> None:
        self.obj.close()


class Asking:
    """Two threads: one claims what is due and has it asked, one takes the answers."""

    def __init__(self) -> None:
        self._accounts = Accounts()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._askers = Askers(self._answers.put)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._at_hand, self._lock = 0, threading.Lock()
        self._woken, self._over, self._settled = threading.Event(), threading.Event(), threading.Event()
        self._tidied_at = time.monotonic()
        self._threads = [
            threading.Thread(target=self._claim_on, name="claims questions", daemon=True),
            threading.Thread(target=self._settle_on, name="settles answers", daemon=True),
        ]
        self._hands = [threading.Thread(target=self._work_on, name="writes answers", daemon=True) for _ in range(HANDS)]

    def start(self) -> None:
        waking.register(Lane.ASKING, self._woken.set)
        for thread in (*self._threads, *self._hands):
            thread.start()

    def close(self) -> None:
        """Claim and ask nothing more."""
        self._over.set()
        self._woken.set()

    def stop(self) -> None:
        """Write back what is answered within a while; the leases of the rest lapse."""
        self.close()
        until = time.monotonic() + END_SECONDS
        self._settled.wait(END_SECONDS)
        for _ in self._hands:
            self._work.put(None)
        for thread in (*self._threads, *self._hands):
            thread.join(max(0.0, until - time.monotonic()))

    terminate = close

    # ---- Claiming ----

    def _claim_on(self) -> None:
        while not self._over.is_set():
            pause = _guarded(self._claim, "questions were not claimed")
            self._woken.wait(ERROR_SECONDS if pause is None else pause)
            self._woken.clear()
        self._askers.end()
        connection.close()

    def _claim(self) -> float:
        """Claim what is due, and have it asked; how long to wait before the next time."""
        limit = min(BATCH, AT_HAND_MAX - self._at_hand)
        if limit <= 0:
            return GATHER_SECONDS
        questions, others = rows.claim(limit=limit, busy_accounts=self._askers.busy())
        if not questions and not others:
            return self._until_the_next()
        self._took(len(questions) + len(others))
        self._accounts.refresh()
        for question in questions:
            self._askers.ask(question, self._accounts.of(question))
        for lease in others:
            self._work.put(partial(self._sort_out, lease))
        return 0.0 if len(questions) + len(others) == limit else GATHER_SECONDS

    def _until_the_next(self) -> float:
        if time.monotonic() - self._tidied_at > _TIDY_SECONDS:
            self._tidied_at = time.monotonic()
            self._askers.tidy()
        now = clock.now()
        soonest = due.soonest(Lane.ASKING, now)
        if soonest is None:
            return LOOK_SECONDS
        # What is due and was not claimed waits for its account.
        return min(LOOK_SECONDS, max(GATHER_SECONDS, (soonest - now).total_seconds()))

    # ---- What was answered ----

    def _settle_on(self) -> None:
        while not (self._over.is_set() and self._at_hand <= 0):
            if answers := self._gathered():
                left = _guarded(lambda: rounds.settle(answers), "answers were not written back")
                self._took(len(left or ()) - len(answers))
                if any(isinstance(answer.says, MiniMaxError) for answer in answers):
                    self._accounts.forget()
                for answer in left or ():
                    self._work.put(partial(self._tell, answer))
        self._settled.set()
        connection.close()

    def _gathered(self) -> list[Answer]:
        """The next answer, with those that come in the moment after it."""
        gathered: list[Answer] = []
        try:
            gathered.append(self._answers.get(timeout=LOOK_SECONDS))
            until = time.monotonic() + GATHER_SECONDS
            while len(gathered) < BATCH:
                gathered.append(self._answers.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            pass
        return gathered

    def _work_on(self) -> None:
        while work := self._work.get():
            work()
        connection.close()

    def _tell(self, answer: Answer) -> None:
        _guarded(lambda: rounds.tell(answer), "an answer was not written")
        self._took(-1)

    def _sort_out(self, lease: Lease) -> None:
        """A step of the lane that is no question."""
        _guarded(lambda: engine.go_on(lease), "a step was not done")
        self._took(-1)

    def _took(self, count: int) -> None:
        with self._lock:
            self._at_hand += count


def _guarded(call: Callable[[], Result], so: str) -> Result | None:
    """What it gives; None when it failed, which is logged: whatever it was, this thread goes on. Leases of what was not written lapse."""
    try:
        close_old_connections()
        return call()
    except Exception as error:
        log.warning(so, error=type(error).__name__, exc_info=not isinstance(error, DatabaseFailure))
        connection.close()
        return None
