"""What asks: threads of each account, so that one whose MiniMax is slow or silent keeps no other's questions waiting."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from django.conf import settings

from conduit import clock
from videos.accounts import asking
from videos.asking.accounts import Called
from videos.asking.rows import Question
from videos.minimax.errors import MiniMaxError
from videos.minimax.exchanges import Exchange, about, listening
from videos.minimax.provider import JobState

log = structlog.get_logger(__name__)

# Questions that an account's threads have at hand at most, for each of the threads: what waits for one of them is next.
AT_HAND_FOR_EACH = 2
# Threads of an account that had no question for so long are ended, in seconds.
IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question: how the job stands, or why that is not known; None when it was not asked, for want of time."""

    question: Question
    called: Called
    says: JobState | Exception | None = None
    said: list[Exchange] = field(default_factory=list)

    @property
    def state(self) -> JobState | None:
        return self.says if isinstance(self.says, JobState) else None


class Askers:
    """All threads that ask in this process. `answered` is called from them."""

    def __init__(self, answered: Callable[[Answer], None]) -> None:
        self._answered = answered
        self._of: dict[int | str, _AskersOfAccount] = {}

    def busy(self) -> set[int]:
        """The accounts that have no room for more."""
        return {account for account, askers in self._of.items() if isinstance(account, int) and askers.is_busy}

    def ask(self, question: Question, called: Called) -> None:
        """Have it asked. Never waits."""
        account = question.account_id or question.api
        if account not in self._of:
            self._of[account] = _AskersOfAccount(self._answered)
        self._of[account].ask(question, called)

    def tidy(self) -> None:
        """End the threads of accounts that have had no question for a while."""
        for account, askers in list(self._of.items()):
            if askers.is_idle:
                self._of.pop(account).end()

    def end(self) -> None:
        """Ask nothing more: what waits is answered as not asked."""
        for askers in self._of.values():
            askers.end()


class _AskersOfAccount:
    """Its threads take from one queue, and are started when there is more to ask than there are of them. A ThreadPoolExecutor makes a
    future with locks of its own for each question, which nobody looks at, and takes a sixth of this process's time for it."""

    def __init__(self, answered: Callable[[Answer], None]) -> None:
        self._answered = answered
        self._questions: queue.SimpleQueue[tuple[Question, Called] | None] = queue.SimpleQueue()
        self._lock, self._over = threading.Lock(), False
        self._threads, self._at_hand, self._asked_at = 0, 0, time.monotonic()

    @property
    def is_busy(self) -> bool:
        return self._at_hand >= AT_HAND_FOR_EACH * settings.ASKING_THREADS

    @property
    def is_idle(self) -> bool:
        return not self._at_hand and time.monotonic() - self._asked_at > IDLE_SECONDS

    def ask(self, question: Question, called: Called) -> None:
        with self._lock:
            self._at_hand += 1
            is_one_needed = self._threads < min(self._at_hand, settings.ASKING_THREADS)
            self._threads += is_one_needed
        self._asked_at = time.monotonic()
        self._questions.put((question, called))
        if is_one_needed:
            threading.Thread(target=self._ask_on, name="asks", daemon=True).start()

    def end(self) -> None:
        """What waits is answered as not asked, then the threads end."""
        self._over = True
        for _ in range(self._threads):
            self._questions.put(None)

    def _ask_on(self) -> None:
        while asked := self._questions.get():
            self._ask(*asked)

    def _ask(self, question: Question, called: Called) -> None:
        is_asked = not self._over and _has_time(question)
        answer = ask(question, called) if is_asked else Answer(question, called)
        with self._lock:
            self._at_hand -= 1
        self._answered(answer)


def _has_time(question: Question) -> bool:
    """Whether its lease outlives a call that takes as long as one may; where leases are shorter than that, half of one is enough: should
    it lapse meanwhile, somebody asks the same once more."""
    a_call = settings.MINIMAX_CONNECT_SECONDS + settings.MINIMAX_READ_SECONDS
    return question.lease.hold.until - time.monotonic() > min(a_call, settings.LEASE_SECONDS / 2)


def ask(question: Question, called: Called) -> Answer:
    """Ask MiniMax, in this thread; not when the account was asked too often a moment ago, by whomever. Raises nothing."""
    if called.account and asking.resumes_at(called.account, clock.now()):
        return Answer(question, called)
    says: JobState | Exception
    with listening() as said, about(question.upstream):
        try:
            says = called.provider().query(question.job)
        except MiniMaxError as error:
            says = error
        except Exception as error:
            log.exception("a question failed in a way that nobody foresaw", task_id=str(question.lease.task_id))
            says = error
    return Answer(question, called, says, said)
