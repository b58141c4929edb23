"""How many connections each owner, and all together, have open: each takes a seat and gives it back.

Over several processes each counts its own in Redis and says every few seconds that it lives: what a process had that died is
forgotten a few seconds later. While Redis is away each process knows of its own connections alone.
"""

import asyncio
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

from redis import Redis

from conduit.streams.breaker import Away, Breaker
from conduit.streams.lasting import lasting

# What a process has is kept for so long after its last sign of life (seconds): clients of one that was killed come back at once.
LEASE_SECONDS = 6.0

_SCRIPT = Path(__file__).with_name("seats.lua").read_text()
# Owners (ARGV, after what their counts' names begin with) that are seen to have none leave the set: one may have come meanwhile.
_FORGET = """
for number = 2, #ARGV do
  local sum = 0
  for _, count in ipairs(redis.call('HVALS', ARGV[1] .. ARGV[number])) do sum = sum + math.abs(tonumber(count)) end
  if sum == 0 then redis.call('SREM', KEYS[1], ARGV[number]) end
end
"""


class Full(Exception):
    """There is no seat."""


def too_many(bound: int, *, of_owner: bool) -> Full:
    """`bound` are taken: of one owner, or of all."""
    return Full(f"Too many connections: the limit is {bound}." if of_owner else "Too many connections.")


class Seats:
    """Of this process alone. Any thread may call."""

    def __init__(self, full: Callable[..., Exception] = too_many) -> None:
        """`full`: makes the error of a seat that there is not, as `too_many` does."""
        self._full = full
        self._own: Counter[str] = Counter()
        self._lock = threading.Lock()

    def acquire(self, owner: str, *, of_owner: int | None, in_all: int | None) -> None:
        """Take a seat, of at most so many. Raises Full, or what was given for it."""
        with self._lock:
            self._check(owner, of_owner, in_all, takes=True)
            self._own[owner] += 1

    def expect_one(self, owner: str, *, of_owner: int | None, in_all: int | None) -> None:
        """Raises the same where `acquire` would now."""
        with self._lock:
            self._check(owner, of_owner, in_all, takes=False)

    def own(self) -> int:
        """How many connections this process has."""
        with self._lock:
            return self._own.total()

    def release(self, ended: Counter[str]) -> None:
        """So many connections of these owners have ended."""
        with self._lock:
            self._own -= ended

    def _check(self, owner: str, of_owner: int | None, in_all: int | None, *, takes: bool) -> None:
        if of_owner is not None and self._own[owner] >= of_owner:
            raise self._full(of_owner, of_owner=True)
        if in_all is not None and self._own.total() >= in_all:
            raise self._full(in_all, of_owner=False)


class SharedSeats(Seats):
    """Of all processes that share a Redis and a prefix. Blocks while Redis is asked."""

    def __init__(
        self, redis: Redis, breaker: Breaker, *, prefix: str, lease: float = LEASE_SECONDS, full: Callable[..., Exception] = too_many
    ) -> None:
        super().__init__(full)
        self._redis = redis
        self._breaker = breaker
        self._prefix = prefix
        self._lease = round(lease * 1000)
        self._script = redis.register_script(_SCRIPT)
        self._process = uuid.uuid4().hex
        self._is_known = True  # whether Redis knows of every connection
        self._beaten_at = -float("inf")

    def release(self, ended: Counter[str]) -> None:
        with self._lock:
            self._own -= ended
            pipeline = self._redis.pipeline(transaction=False)
            for owner, count in ended.items():
                pipeline.hincrby(self._of(owner), self._process, -count)
                pipeline.hincrby(self._all, self._process, -count)
            self._asked(pipeline.execute)

    def heartbeat(self) -> None:
        """Say that this process lives. A Redis that has forgotten, or was away, is told anew what this process has."""
        with self._lock:
            if time.monotonic() - self._beaten_at < self._lease / 10_000:
                return  # somebody has said so just now
            self._beaten_at = time.monotonic()
            lives = self._asked(lambda: self._redis.set(self._sign + self._process, 1, px=self._lease, xx=True))
            if self._is_known and lives:
                return
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.delete(self._sign + self._process)  # what was told under the former name may be wrong: it no longer counts
            self._process = uuid.uuid4().hex
            pipeline.set(self._sign + self._process, 1, px=self._lease)
            for owner, count in self._own.items():
                pipeline.hset(self._of(owner), self._process, count)
                pipeline.sadd(self._owners, owner)
            pipeline.hset(self._all, self._process, self._own.total())
            self._is_known = self._asked(pipeline.execute) is not None

    def close(self) -> None:
        """Give the connections to Redis back; whoever asks still makes others."""
        with self._lock:
            self._redis.close()

    def taken(self) -> int | None:
        """How many connections all processes together have open; None while Redis is away."""
        counts = cast(dict[bytes, bytes] | None, self._asked(lambda: self._redis.hgetall(self._all)))
        if not counts:
            return None if counts is None else 0
        alive = self._asked(lambda: self._alive(counts))
        return None if alive is None else sum(int(count) for process, count in counts.items() if process in alive)

    def taken_by_owner(self) -> dict[str, int] | None:
        """The same of each owner that has any. What is left of owners that have none any more goes with it."""
        found: dict[str, int] | None = self._asked(self._count_by_owner)
        return found

    def _count_by_owner(self) -> dict[str, int]:
        owners = sorted(owner.decode() for owner in cast(set[bytes], self._redis.smembers(self._owners)))
        pipeline = self._redis.pipeline(transaction=False)
        for owner in owners:
            pipeline.hgetall(self._of(owner))
        counts = dict(zip(owners, cast(list[dict[bytes, bytes]], pipeline.execute()), strict=True))
        alive = self._alive({process for of_owner in counts.values() for process in of_owner})
        if gone := [owner for owner, of_owner in counts.items() if not any(map(int, of_owner.values()))]:
            self._redis.eval(_FORGET, 1, self._owners, self._of(""), *gone)
        sums = {owner: sum(int(count) for process, count in of_owner.items() if process in alive) for owner, of_owner in counts.items()}
        return {owner: count for owner, count in sums.items() if count > 0}

    def _alive(self, processes: Iterable[bytes]) -> set[bytes]:
        named = sorted(processes)
        signs = cast(list[bytes | None], self._redis.mget([self._sign + process.decode() for process in named])) if named else []
        return {process for process, sign in zip(named, signs, strict=True) if sign is not None}

    def _check(self, owner: str, of_owner: int | None, in_all: int | None, *, takes: bool) -> None:
        super()._check(owner, of_owner, in_all, takes=takes)
        bounds = [-1 if bound is None else bound for bound in (of_owner, in_all)]
        arguments: list[str | int] = [self._process, self._lease, *bounds, self._sign, int(takes), owner]
        answer = self._asked(lambda: self._script([self._of(owner), self._all, self._owners], arguments))
        if answer:
            raise self._full(of_owner if answer == 1 else in_all, of_owner=answer == 1)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """What Redis answers; None while it is away."""
        try:
            with self._breaker.asking("connections are counted in each process alone"):
                return ask()
        except Away:
            self._is_known = False
            return None

    @property
    def _all(self) -> str:
        return f"{self._prefix}all"

    @property
    def _owners(self) -> str:
        return f"{self._prefix}owners"

    @property
    def _sign(self) -> str:
        return f"{self._prefix}process:"

    def _of(self, owner: str) -> str:
        return f"{self._prefix}of:{owner}"


class LoopSeats:
    """Shared seats on an event loop, which never waits: Redis is asked in a thread of theirs."""

    def __init__(self, seats: SharedSeats) -> None:
        self.blocking = seats  # for threads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seats")
        self._ended: Counter[str] = Counter()
        self._giving_back: asyncio.Task[None] | None = None

    async def acquire(self, owner: str, *, of_owner: int | None, in_all: int | None) -> None:
        """As Seats.acquire does. A connection that is given up meanwhile has none."""
        taking = asyncio.ensure_future(self._run(partial(self.blocking.acquire, owner, of_owner=of_owner, in_all=in_all)))
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:  # the client has left; the thread has not
            taking.add_done_callback(lambda taken: None if taken.cancelled() or taken.exception() else self.release(owner))
            raise

    async def expect_one(self, owner: str, *, of_owner: int | None, in_all: int | None) -> None:
        """As Seats.expect_one does."""
        await self._run(partial(self.blocking.expect_one, owner, of_owner=of_owner, in_all=in_all))

    def release(self, owner: str) -> None:
        """The connection has ended. Those that end together are given back together."""
        self._ended[owner] += 1
        if self._giving_back is None:
            self._giving_back = lasting(self._give_back())

    async def _give_back(self) -> None:
        while self._ended:
            ended, self._ended = self._ended, Counter()
            await self._run(partial(self.blocking.release, ended))
        self._giving_back = None

    async def heartbeat(self) -> None:
        """To be called several times within a lease while there are connections."""
        await self._run(self.blocking.heartbeat)

    async def close(self) -> None:
        """Give the connections to Redis back, once it was told of all that have ended."""
        if self._giving_back:
            await asyncio.wait([self._giving_back])
        await self._run(self.blocking.close)

    async def _run(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)
