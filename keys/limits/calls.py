"""How often a key may call, over all processes. These limits may fail open while Redis is away (LIMITS_FAIL_OPEN)."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from django.conf import settings
from django.db.models import QuerySet

from conduit.api.errors import Overloaded
from conduit.streams.breaker import Away, breaker_of
from keys import rates
from keys.limits.refusals import RateLimited, RateState, in_words
from keys.models import ManagementKey, VirtualKey

Kind = Literal["create", "read"]

_UNCOUNTED = "calls are not counted, and served or refused as LIMITS_FAIL_OPEN says"
# How management keys are counted beside virtual keys, whose numbers they share.
_MANAGEMENT = "management:"


def count_call(key: VirtualKey, kind: Kind, *, address: str) -> RateState | None:
    """Count a call against every limit of its kind; None when there is nobody to count.

    A call that comes a moment too early is to wait for its place (RateState.wait) before it goes on.

    Raises:
        RateLimited: a limit is reached. The call counts against none.
        Overloaded: Redis is away and limits fail closed (LIMITS_FAIL_OPEN).
    """
    return _count(str(key.pk), _limits_of(key, kind), address, _CALLS_IN_WORDS[kind])


async def count_call_on_loop(key: VirtualKey, kind: Kind, *, address: str) -> RateState:
    """The same on the event loop, waiting there.

    Raises:
        RateLimited: a limit is reached. The call counts against none.
        Away: Redis is: what that means is `count_call`'s to say.
    """
    return await admit_on_loop(await count_on_loop(key, kind, address=address), kind)


async def count_on_loop(key: VirtualKey, kind: Kind, *, address: str) -> rates.Count:
    """The first half: the call is counted, or refused, and nobody was told yet."""
    with breaker_of(settings.REDIS_URL).asking(_UNCOUNTED):
        return await rates.count_on_loop(caller=str(key.pk), address=address, limits=_limits_of(key, kind))


def is_counted_for(count: rates.Count, key: VirtualKey, kind: Kind) -> bool:
    """Whether a call was counted against what are the key's limits: it may have been by an older row of the key."""
    return [counted.limit for counted in count.limits] == _limits_of(key, kind)


async def admit_on_loop(count: rates.Count, kind: Kind) -> RateState:
    """The second half: wait for its place, or raise RateLimited."""
    if not count.accepted:
        raise _refusal(count, _CALLS_IN_WORDS[kind])
    if count.wait:
        await asyncio.sleep(count.wait)
    return _tightest(count.limits)


def count_management_call(key: ManagementKey, *, address: str) -> RateState | None:
    """The same for a call of a management key, whatever it does."""
    limit = rates.Limit("calls:minute", management_calls_per_minute(key), rates.MINUTE)
    return _count(f"{_MANAGEMENT}{key.pk}", [limit], address, ("call", "calls"))


def rows_of(caller: str) -> QuerySet[VirtualKey] | QuerySet[ManagementKey]:
    """The key that was counted under that name."""
    if caller.startswith(_MANAGEMENT):
        return ManagementKey.objects.filter(pk=caller.removeprefix(_MANAGEMENT))
    return VirtualKey.objects.filter(pk=caller)


def _count(caller: str, limits: Sequence[rates.Limit], address: str, words: tuple[str, str]) -> RateState | None:
    try:
        with breaker_of(settings.REDIS_URL).asking(_UNCOUNTED):
            counted = rates.count(caller=caller, address=address, limits=limits)
    except Away:
        if settings.LIMITS_FAIL_OPEN:
            return None
        raise Overloaded from None
    if not counted.accepted:
        raise _refusal(counted, words)
    return replace(_tightest(counted.limits), wait=counted.wait)


def creates_per_minute(key: VirtualKey) -> int:
    """Calls that create, retry or estimate which the key may make in any minute: its own number, or the setting's."""
    return settings.CREATES_PER_MINUTE if key.creates_per_minute is None else key.creates_per_minute


def reads_per_minute(key: VirtualKey) -> int:
    """Calls that create nothing which the key may make in any minute: its own number, or the setting's."""
    return settings.READS_PER_MINUTE if key.reads_per_minute is None else key.reads_per_minute


def management_calls_per_minute(key: ManagementKey) -> int:
    """Calls which the management key may make in any minute: its own number, or the setting's."""
    return settings.MANAGEMENT_CALLS_PER_MINUTE if key.calls_per_minute is None else key.calls_per_minute


def _limits_of(key: VirtualKey, kind: Kind) -> list[rates.Limit]:
    if kind == "read":
        return [rates.Limit("reads:minute", reads_per_minute(key), rates.MINUTE)]
    per_minute = rates.Limit("creates:minute", creates_per_minute(key), rates.MINUTE)
    if key.creates_per_day is None:
        return [per_minute]
    return [per_minute, rates.Limit("creates:day", key.creates_per_day, rates.DAY)]


def _tightest(limits: Sequence[rates.Counted]) -> RateState:
    least = min(limits, key=lambda counted: (counted.remaining, -counted.next_place))
    return RateState(least.limit.calls, least.remaining, in_whole_seconds(least.next_place))


def in_whole_seconds(seconds: float) -> int:
    """When to come back, in whole seconds: a call that is early by less than anyone's patience waits for its place."""
    return max(1, math.ceil(seconds - rates.PATIENCE))


def _refusal(count: rates.Count, words: tuple[str, str]) -> RateLimited:
    """The limit that keeps the call waiting longest is the one to tell of. `words`: what it counts, of one and of many."""
    full = max((counted for counted in count.limits if not counted.remaining), key=lambda counted: counted.next_place).limit
    retry_after = in_whole_seconds(count.wait)
    period = "minute" if full.seconds == rates.MINUTE else "24 hours"
    allowed = f"{full.calls} {words[full.calls != 1]}"
    return RateLimited(
        f"You reached this key's rate limit of {allowed} in any {period}. Try again in {in_words(retry_after)}.",
        retry_after=retry_after,
        limit=full.calls,
    )


_CALLS_IN_WORDS: dict[Kind, tuple[str, str]] = {
    "read": ("call that reads or cancels", "calls that read or cancel"),
    "create": ("call that creates, retries or estimates", "calls that create, retry or estimate"),
}
