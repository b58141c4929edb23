"""Calls counted in Redis: exact sliding windows that all processes share, by Redis's own clock."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import cast

import redis
from django.conf import settings
from redis.commands.core import Script
from redis.exceptions import NoScriptError

from conduit.redis_client import shared_client
from conduit.redis_on_loop import loop_redis

MINUTE = 60
DAY = 24 * 60 * 60
# A call that comes too early by no more than this (seconds) waits for its place: what is sent evenly arrives unevenly.
PATIENCE = 0.25
# How many calls of a key may wait at once: no more than come unevenly by chance.
WAITING_MAX = 2
# A caller that was refused lately gets each place this much later (seconds): the caller's own clock, which sees a call a little
# before or after it is counted here, then finds no window with too many either.
GUARD = 0.25
# What a Redis that hangs costs a request at most, in seconds.
ANSWER_SECONDS = 0.5

_MICRO = 1_000_000
_LAST_USES = "conduit:used"
_LAST_USES_TAKEN = "conduit:used:taken"
_SCRIPT = Path(__file__).with_name("rates.lua").read_text()
_SCRIPT_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()  # as Redis names scripts


@dataclass(frozen=True)
class Limit:
    """At most `calls` in any `seconds`."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class Counted:
    """How a call stands to one limit, itself included when it was accepted."""

    limit: Limit
    remaining: int
    next_place: float  # seconds until the oldest counted call leaves the window


@dataclass(frozen=True)
class Count:
    """What became of a call. One that was not accepted counts against no limit."""

    accepted: bool
    wait: float  # seconds: until it may go on when it was accepted, else until it would be
    limits: list[Counted]


@dataclass(frozen=True)
class LastUse:
    caller: str  # as it was counted
    at: datetime
    address: str


def count(*, caller: str, address: str, limits: Sequence[Limit], clock: Callable[[], float] | None = None) -> Count:
    """Count a call against all of these limits, or against none when one has no place for it. `caller`: whose limits they are.

    `clock` gives seconds since the epoch; without one Redis's own decides, which is the same for every process.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    names, figures = _question(caller, address, limits, clock)
    return _answer(limits, _script(settings.REDIS_URL)(names, figures))


async def count_on_loop(*, caller: str, address: str, limits: Sequence[Limit]) -> Count:
    """The same on the event loop."""
    names, figures = _question(caller, address, limits, None)
    server = loop_redis(settings.REDIS_URL, seconds=ANSWER_SECONDS)
    try:
        answer = await server.ask("EVALSHA", _SCRIPT_SHA, len(names), *names, *figures)
    except NoScriptError:  # it was started anew, or another one took over
        answer = await server.ask("EVAL", _SCRIPT, len(names), *names, *figures)
    return _answer(limits, answer)


def _question(caller: str, address: str, limits: Sequence[Limit], clock: Callable[[], float] | None) -> tuple[list[str], list[int | str]]:
    names = [f"conduit:calls:{caller}:{limit.name}" for limit in limits]
    moment = round(clock() * _MICRO) if clock else ""
    figures = [figure for limit in limits for figure in (limit.calls, round(limit.seconds * _MICRO))]
    settled: list[int | str] = [round(PATIENCE * _MICRO), WAITING_MAX, round(GUARD * _MICRO), caller, address, moment]
    return [*names, _LAST_USES], [*settled, *figures]


def _answer(limits: Sequence[Limit], answer: Sequence[int]) -> Count:
    accepted, wait, *found = answer
    return Count(
        accepted=bool(accepted),
        wait=wait / _MICRO,
        limits=[
            Counted(limit, remaining=max(0, limit.calls - held), next_place=place / _MICRO)
            for limit, held, place in zip(limits, found[::2], found[1::2], strict=True)
        ],
    )


def take_last_uses() -> list[LastUse]:
    """The newest use of each key since `forget_taken` was last called: a sweep that died gets its own again.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    server = _redis()
    if server.exists(_LAST_USES):
        server.renamenx(_LAST_USES, _LAST_USES_TAKEN)  # not over what a sweep that died has left
    found = cast(dict[bytes, bytes], server.hgetall(_LAST_USES_TAKEN))
    return [_last_use(caller, noted) for caller, noted in found.items()]


def forget_taken() -> None:
    """What `take_last_uses` gave is written down."""
    _redis().delete(_LAST_USES_TAKEN)


def _last_use(caller: bytes, noted: bytes) -> LastUse:
    moment, _, address = noted.decode().partition(" ")
    return LastUse(caller.decode(), datetime.fromtimestamp(int(moment) / _MICRO, UTC), address)


def _redis() -> redis.Redis:
    return shared_client(settings.REDIS_URL, seconds=ANSWER_SECONDS)


@lru_cache
def _script(url: str) -> Script:
    return shared_client(url, seconds=ANSWER_SECONDS).register_script(_SCRIPT)
