"""How many connections a key, and all keys together, have open over all processes.

Each process counts its own in Redis and says every few seconds that it lives: what a process had that died is forgotten
a few seconds later. While Redis is away each process knows of its own connections alone.
"""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import redis
from django.conf import settings

from conduit.api.errors import ApiError
from conduit.redis_client import brief_client, shared_client
from conduit.streams.breaker import Away, breaker_of

# What a process has is kept for so long after its last sign of life (seconds): clients of one that was killed come back at once.
ALIVE_SECONDS = 6
# What a Redis that hangs costs a new connection at most, in seconds.
ANSWER_SECONDS = 0.5
RETRY_AFTER_SECONDS = 10

_SIGN = "conduit:streams:process:"
_ALL = "conduit:streams:all"
_KEYS = "conduit:streams:keys"
# Ids (ARGV, after what their counts' names begin with) of keys that are seen to have none leave the set: one may have come meanwhile.
_FORGET = """
for number = 2, #ARGV do
  local sum = 0
  for _, count in ipairs(redis.call('HVALS', ARGV[1] .. ARGV[number])) do sum = sum + math.abs(tonumber(count)) end
  if sum == 0 then redis.call('SREM', KEYS[1], ARGV[number]) end
end
"""
_SCRIPT = Path(__file__).with_name("places.lua").read_text()


class TooManyConnections(ApiError):
    """No place for another connection."""

    status, type, code = 429, "rate_limit_error", "concurrency_limit_exceeded"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class Places:
    """The places of this process. Every method may be called from any thread, and blocks it while Redis is asked."""

    def __init__(self, url: str) -> None:
        self._redis = brief_client(url, seconds=ANSWER_SECONDS)
        self._breaker = breaker_of(url)
        self._script = self._redis.register_script(_SCRIPT)
        self._process = uuid.uuid4().hex
        self._own: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._is_known = True  # whether Redis knows of every connection

    def take(self, key_id: int) -> None:
        """Raises TooManyConnections when the key, or the service, has no place left."""
        with self._lock:
            if full := self._full(key_id):
                raise TooManyConnections(full)
            self._own[key_id] += 1

    def _full(self, key_id: int) -> str:
        """Take a place in Redis. Why there is none; empty when there is."""
        per_key, in_all = settings.STREAMS_PER_KEY, settings.STREAMS_MAX
        of_key = f"You reached this key's rate limit of {per_key} open connections. Close one, or wait until one ends."
        of_all = (
            "The service has no room for another connection right now: its rate limit of open connections is reached. Try again shortly."
        )
        if self._own[key_id] >= per_key:
            return of_key
        if self._own.total() >= in_all:
            return of_all
        arguments: list[str | int] = [self._process, ALIVE_SECONDS, per_key, in_all, _SIGN, key_id]
        answer = self._asked(lambda: self._script([_of(key_id), _ALL, _KEYS], arguments))
        return {1: of_key, 2: of_all}.get(answer or 0, "")

    def give_back(self, key_ids: Counter[int]) -> None:
        """So many connections of these keys have ended."""
        with self._lock:
            self._own -= key_ids
            pipeline = self._redis.pipeline(transaction=False)
            for key_id, ended in key_ids.items():
                pipeline.hincrby(_of(key_id), self._process, -ended)
                pipeline.hincrby(_ALL, self._process, -ended)
            self._asked(pipeline.execute)

    def stay(self) -> None:
        """Say that this process lives. A Redis that has forgotten, or was away, is told anew what this process has."""
        with self._lock:
            lives = self._asked(lambda: self._redis.set(_SIGN + self._process, 1, ex=ALIVE_SECONDS, xx=True))
            if self._is_known and lives:
                return
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.delete(_SIGN + self._process)  # what was told under the former name may be wrong: it no longer counts
            self._process = uuid.uuid4().hex
            pipeline.set(_SIGN + self._process, 1, ex=ALIVE_SECONDS)
            for key_id, count in self._own.items():
                pipeline.hset(_of(key_id), self._process, count)
                pipeline.sadd(_KEYS, key_id)
            pipeline.hset(_ALL, self._process, self._own.total())
            self._is_known = self._asked(pipeline.execute) is not None

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """What Redis answers; None while it is away."""
        try:
            with self._breaker.asking("connections are counted in each process alone"):
                return ask()
        except Away:
            self._is_known = False
            return None


def connected(url: str) -> int | None:
    """How many connections all processes together have open; None while Redis is away."""
    server = shared_client(url, seconds=ANSWER_SECONDS)
    try:
        counts = cast(dict[bytes, bytes], server.hgetall(_ALL))
        processes = list(counts)
        alive = cast(list[bytes | None], server.mget([_SIGN + process.decode() for process in processes])) if processes else []
    except redis.RedisError:
        return None
    return sum(int(counts[process]) for process, sign in zip(processes, alive, strict=True) if sign is not None)


def connected_by_key(url: str) -> dict[int, int] | None:
    """The same of each key that has any; None while Redis is away. What is left of keys that have none any more goes with it."""
    server = shared_client(url, seconds=ANSWER_SECONDS)
    try:
        key_ids = sorted(map(int, cast(set[bytes], server.smembers(_KEYS))))
        pipeline = server.pipeline(transaction=False)
        for key_id in key_ids:
            pipeline.hgetall(_of(key_id))
        counts = dict(zip(key_ids, cast(list[dict[bytes, bytes]], pipeline.execute()), strict=True))
        processes = sorted({process for of_key in counts.values() for process in of_key})
        signs = cast(list[bytes | None], server.mget([_SIGN + process.decode() for process in processes])) if processes else []
        alive = {process for process, sign in zip(processes, signs, strict=True) if sign is not None}
        if gone := [key_id for key_id, of_key in counts.items() if not any(map(int, of_key.values()))]:
            server.eval(_FORGET, 1, _KEYS, _of(""), *gone)
    except redis.RedisError:
        return None
    sums = {key_id: sum(int(count) for process, count in of_key.items() if process in alive) for key_id, of_key in counts.items()}
    return {key_id: count for key_id, count in sums.items() if count > 0}


def _of(key_id: int | str) -> str:
    return f"conduit:streams:key:{key_id}"
