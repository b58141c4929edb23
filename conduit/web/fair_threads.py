"""The threads that answer requests, shared out: no caller has more than half of them, and the one with fewest at work comes first.

A caller is a key, a login of the console, or an address as long as neither is known: invented keys are counted as their address. The
first request that comes with a secret from somewhere goes alone, until authentication has said whose it is: a secret that was lost, and
opens nothing any more, or nothing from there, takes nothing of what is its owner's. What has no thread waits on the event loop, where
it costs nobody anything, and in the order in which its caller sent it.
"""

import asyncio
import contextvars
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from conduit.api.errors import Overloaded, TooManyRequests
from conduit.web.fair_queue import FairQueue, Names

Found = TypeVar("Found")
Tell = Callable[[str], None]

# Requests that wait for a thread, of one caller and of all. Each may hold a body of DATA_UPLOAD_MAX_MEMORY_SIZE.
WAITING_PER_CALLER = 500
WAITING_MAX = 2000
# What has waited for so long (seconds) is told to come back: its client has mostly gone.
PATIENCE_SECONDS = 30.0
RETRY_SECONDS = 5
# Secrets whose keys are remembered, and callers whose secret opened something.
KNOWN_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says of its sender, before anybody has looked: its address, and a digest of its secret if it has one."""

    address: str
    secret: str = ""


@dataclass(eq=False, slots=True)
class _Job(Generic[Found]):
    caller: Caller
    work: Callable[[Tell], Found]
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Found]"
    context: contextvars.Context
    waits_as: str
    timer: asyncio.TimerHandle | None = None
    counted_as: tuple[str, ...] = field(default=())
    is_let_in: bool = False


class FairThreads:
    """Belongs to one event loop; everything but the work itself happens there."""

    def __init__(
        self, threads: int, *, waiting_per_caller: int = WAITING_PER_CALLER, patience: float = PATIENCE_SECONDS, name: str = "request"
    ) -> None:
        self.share = max(1, threads // 2)
        self._free = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting_per_caller = waiting_per_caller
        self._patience = patience
        self._owners: OrderedDict[str, str] = OrderedDict()  # whose a secret is, by its digest
        self._let_in: OrderedDict[Caller, None] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        self._all_waiting = 0
        self._queue: FairQueue[Caller, _Job[Any]] = FairQueue(self._counted_as, most=self.share)

    def owner_of(self, caller: Caller) -> str:
        """Whose its requests are; "" as long as nobody knows."""
        return self._owners.get(caller.secret, "") if caller in self._let_in else ""

    async def run(self, caller: Caller, work: Callable[[Tell], Found]) -> Found:
        """What the work gives or raises, done in a thread when it is the caller's turn. Work that has begun is finished, even if
        nobody waits for it any more. It may call what it is given with the name of whose it is, or "" when its secret opened nothing.

        Raises:
            TooManyRequests: too many of this caller wait already.
            Overloaded: too many of all do, or it has waited for too long.
        """
        job = self._queued(caller, work)
        self._start_what_may()
        try:
            return await job.answer
        finally:
            self._forget(job)
            _take_over(job.context)

    def _queued(self, caller: Caller, work: Callable[[Tell], Found]) -> _Job[Found]:
        if caller.secret in self._owners:
            self._owners.move_to_end(caller.secret)
        if caller in self._let_in:
            self._let_in.move_to_end(caller)
        name = self._counted_as(caller)[0][0]
        if self._waiting[name] >= self._waiting_per_caller:
            raise TooManyRequests(
                f"{self._waiting[name]} of your calls wait for their turn already, which is the rate limit of calls at once. Send fewer.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        if self._all_waiting >= WAITING_MAX:
            raise Overloaded
        loop = asyncio.get_running_loop()
        job = _Job(caller, work, loop, loop.create_future(), contextvars.copy_context(), name)
        self._queue.put(caller, job)
        self._waiting[name] += 1
        self._all_waiting += 1
        job.timer = loop.call_later(self._patience, self._give_up, job)
        return job

    def _counted_as(self, caller: Caller) -> Names:
        """Under which names its requests count, and how many of each may be at work. The first is the caller's."""
        owner = self._owners.get(caller.secret)
        if owner and caller in self._let_in:
            return ((owner, self.share),)
        address = (f"address {caller.address}", self.share)
        if not caller.secret:
            return (address,)
        alone = (f"secret {caller.secret}", 1)
        return (address, alone, (owner, self.share)) if owner else (address, alone)

    # ---- Waiting

    def _start_what_may(self) -> None:
        while self._free and (job := self._queue.take()):
            self._start(job)

    def _forget(self, job: _Job[Any]) -> None:
        """It waits no more. Again is fine."""
        if job.timer is None:
            return
        job.timer.cancel()
        job.timer = None
        _less(self._waiting, job.waits_as)
        self._all_waiting -= 1
        self._queue.remove(job.caller, job)

    def _give_up(self, job: _Job[Any]) -> None:
        self._forget(job)
        if not job.answer.done():
            job.answer.set_exception(Overloaded())

    # ---- At work

    def _start(self, job: _Job[Any]) -> None:
        self._forget(job)
        self._free -= 1
        self._count(job, *(name for name, _ in self._counted_as(job.caller)))
        working = self._executor.submit(job.context.run, job.work, lambda owner: _on(job.loop, self._learn, job, owner))
        working.add_done_callback(lambda done: _on(job.loop, self._finish, job, done))

    def _learn(self, job: _Job[Any], owner: str) -> None:
        """Authentication has said whose this is, or, without an owner, that it is refused."""
        if not owner:
            if not job.is_let_in and job.caller in self._let_in:
                del self._let_in[job.caller]
                self._queue.changed(job.caller)
            return
        job.is_let_in = True
        if secret := job.caller.secret:
            _remember(self._owners, secret, owner)
            _remember(self._let_in, job.caller, None)
            self._queue.changed(job.caller)
        if job.counted_as:
            self._count(job, owner)
        self._start_what_may()

    def _finish(self, job: _Job[Any], done: Future[Any]) -> None:
        self._free += 1
        self._count(job)
        if not job.answer.done():
            if error := done.exception():
                job.answer.set_exception(error)
            else:
                job.answer.set_result(done.result())
        self._start_what_may()

    def _count(self, job: _Job[Any], *names: str) -> None:
        self._queue.ended(*job.counted_as)
        job.counted_as = names
        self._queue.begun(*names)


def _remember(known: OrderedDict[Any, Any], key: object, value: object) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > KNOWN_MAX:
        known.popitem(last=False)


def _less(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]


def _on(loop: asyncio.AbstractEventLoop, change: Callable[..., None], *args: object) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits for it
        loop.call_soon_threadsafe(change, *args)


def _take_over(context: contextvars.Context) -> None:
    """What the work bound, such as the request's id for the logs, holds for what its task does afterwards."""
    for variable, value in context.items():
        if variable.get(None) is not value:
            variable.set(value)
