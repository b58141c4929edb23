"""Which processes do the work: each beats in Redis, by its name and by Redis's clock, and says so when it ends in good order."""

import os
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import redis
from django.conf import settings

from conduit.redis_client import brief_client, shared_client

BEAT_SECONDS = 5.0
# A few beats may get lost.
LATELY_SECONDS = 30.0
# A name that is silent for so long is no longer missed.
MISSED_SECONDS = 24 * 3600.0
# What a Redis that hangs costs a process that beats or asks at most.
ANSWER_SECONDS = 1.0

_BEATS = "conduit:beats"  # when each name was last heard
_LEFT = "conduit:beats:left"  # names that ended in good order, until the control process, which keeps the list, has seen it


@dataclass(frozen=True)
class Heard:
    """What Redis knows: seconds since each name's last beat, and the names that have left."""

    ages: Mapping[str, float]
    left: Collection[str]

    @property
    def alive(self) -> set[str]:
        return {name for name, age in self.ages.items() if age < LATELY_SECONDS}


def own_name(kind: str) -> str:
    """This process, such as `provider@host-1:4711`."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def kind_of(name: str) -> str:
    return name.partition("@")[0]


def host_of(name: str) -> str:
    return name.partition("@")[2].rpartition(":")[0]


class Pulse:
    """What a process says while it is at work, by its name for each kind of work. It bears a Redis that is away, which is told of
    by the process that looks at the place."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._names = [own_name(kind) for kind in kinds]
        self._beaten_at = -float("inf")

    def beat(self) -> None:
        self._beaten_at = time.monotonic()
        with suppress(redis.RedisError):
            for name in self._names:
                beat(name)

    def beat_now_and_then(self) -> None:
        """Beat when the last one was BEAT_SECONDS ago."""
        if time.monotonic() - self._beaten_at >= BEAT_SECONDS:
            self.beat()

    def end(self) -> None:
        """It ends in good order, and beats no more."""
        names, self._names = self._names, []
        with suppress(redis.RedisError):
            for name in names:
                deregister(name)


def beat(name: str) -> None:
    """Note that it is at work; raises redis.RedisError when Redis does not answer."""
    server = _redis()
    with server.pipeline(transaction=False) as pipe:
        pipe.zadd(_BEATS, {name: _now(server)})
        pipe.zrem(_LEFT, name)
        pipe.execute()


def deregister(name: str) -> None:
    """It ends in good order and shall not be missed. On a connection of its own: fit for a signal handler."""
    with brief_client(settings.REDIS_URL, seconds=ANSWER_SECONDS) as server:
        now = _now(server)
        with server.pipeline(transaction=True) as pipe:
            pipe.zrem(_BEATS, name)
            pipe.zadd(_LEFT, {name: now})
            pipe.zremrangebyscore(_LEFT, 0, now - MISSED_SECONDS)
            pipe.execute()


def heard() -> Heard:
    """All names that are known; raises redis.RedisError when Redis does not answer."""
    server = _redis()
    now = _now(server)
    server.zremrangebyscore(_BEATS, 0, now - MISSED_SECONDS)
    beats = cast(list[tuple[bytes, float]], server.zrange(_BEATS, 0, -1, withscores=True))
    left = cast(list[bytes], server.zrange(_LEFT, 0, -1))
    return Heard({name.decode(): now - at for name, at in beats}, [name.decode() for name in left])


def forget(names: Collection[str]) -> None:
    """Those that have left, are replaced, or will not come back."""
    if names:
        with _redis().pipeline(transaction=False) as pipe:
            pipe.zrem(_BEATS, *names)
            pipe.zrem(_LEFT, *names)
            pipe.execute()


def redis_answers() -> bool:
    """Whether Redis does; raises redis.RedisError when not."""
    return bool(_redis().ping())


def _now(server: redis.Redis) -> float:
    seconds, microseconds = server.time()
    return seconds + microseconds / 1e6


def _redis() -> redis.Redis:
    return shared_client(settings.REDIS_URL, seconds=ANSWER_SECONDS)
