"""What a key may do: where from, how often, how much at once, and what one task may be.

Money is not here (keys.budgets): these limits may fail open while Redis is away, money never does.
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from django.conf import settings
from django.db.models import QuerySet

from conduit import clock
from conduit.api.errors import ApiError, Forbidden, InvalidRequest, Overloaded
from conduit.streams.breaker import Away, breaker_of
from keys import rates
from keys.budgets import usd
from keys.known_models import pixels
from keys.models import ManagementKey, OverLimit, VirtualKey

Kind = Literal["create", "read"]

# When to look again after a task was refused for others that are in flight (nobody knows when those end) or for those of
# the last hour (when it is not known how old they are), in seconds.
CONCURRENCY_RETRY_SECONDS = 10
HOURLY_RETRY_SECONDS = 60
_UNCOUNTED = "calls are not counted, and served or refused as LIMITS_FAIL_OPEN says"
# What an IPv6 address begins with before the IPv4 address that it stands for (RFC 4291, 2.5.5.2).
_MAPPED_BITS = 96
# How management keys are counted beside virtual keys, whose numbers they share.
_MANAGEMENT = "management:"


class RateLimited(ApiError):
    """Too much at once. The message says when to come back, as does Retry-After (whole seconds)."""

    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int, limit: int, code: str | None = None) -> None:
        """`limit`: how many the limit that was reached allows."""
        self.rate = RateState(limit, 0, retry_after)
        super().__init__(message, code=code, headers={"Retry-After": str(retry_after)} | self.rate.headers)


@dataclass(frozen=True)
class RateState:
    """How a call stands to the tightest limit of its key, itself included; of a refused call, to the limit that it met."""

    limit: int
    remaining: int
    reset: int  # seconds until a place more is free
    wait: float = 0  # seconds until the call may go on: it came a moment too early, and has its place

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit-Requests": str(self.limit),
            "X-RateLimit-Remaining-Requests": str(self.remaining),
            "X-RateLimit-Reset-Requests": str(self.reset),
        }


# ---- Calls ----------------------------------------------------------------------------------------------------------


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
        f"You reached this key's rate limit of {allowed} in any {period}. Try again in {_in_words(retry_after)}.",
        retry_after=retry_after,
        limit=full.calls,
    )


_CALLS_IN_WORDS: dict[Kind, tuple[str, str]] = {
    "read": ("call that reads or cancels", "calls that read or cancel"),
    "create": ("call that creates, retries or estimates", "calls that create, retry or estimate"),
}


def _in_words(seconds: int) -> str:
    if seconds < 120:
        return _in_seconds(seconds)
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"


# ---- Where from -----------------------------------------------------------------------------------------------------


def check_address(key: VirtualKey | ManagementKey, address: str) -> None:
    """Raises Forbidden when the key may not be used from there."""
    if key.ip_ranges and not _is_within(address, tuple(key.ip_ranges)):
        raise Forbidden(
            f"This key may not be used from {address or 'an unknown address'}. An administrator can allow more addresses.",
            code="ip_not_allowed",
        )


def _is_within(address: str, ranges: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in _networks(ranges))


@lru_cache
def _networks(ranges: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    """What is no range lets nobody in."""
    found = []
    for text in ranges:
        with suppress(ValueError):
            found.append(_unmapped(ip_network(text, strict=False)))
    return found


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 addresses written inside IPv6 as what it is: such addresses are compared as IPv4."""
    first = network.network_address
    inside = first.ipv4_mapped if isinstance(first, IPv6Address) and network.prefixlen >= _MAPPED_BITS else None
    return IPv4Network((inside, network.prefixlen - _MAPPED_BITS)) if inside else network


# ---- What one task may be -------------------------------------------------------------------------------------------


def allows_model(key: VirtualKey, names: Sequence[str]) -> bool:
    """Whether the key, or the client token that it carries, may use the model of that name and aliases."""
    return all(not allowed or not set(allowed).isdisjoint(names) for allowed in _allowed_models(key))


def _allowed_models(key: VirtualKey) -> list[list[str]]:
    return [key.model_names, key.client_token.model_names] if key.client_token else [key.model_names]


def check_model(key: VirtualKey, model_names: Sequence[str]) -> None:
    """Raises Forbidden where the model of these names is not one of the key's, or of its client token."""
    if allows_model(key, model_names):
        return
    token = key.client_token
    if token and token.model_names and set(token.model_names).isdisjoint(model_names):
        words = f"This client token may not use this model. It may use {', '.join(token.model_names)}."
    else:
        words = f"This key may not use this model. It may use {', '.join(key.model_names)}; an administrator can allow more."
    raise Forbidden(words, code="model_not_allowed", param="model")


def check_wish(key: VirtualKey, *, model_names: Sequence[str], seconds: int, resolution: str, price: Decimal) -> None:
    """Check a task against what its key may ask for, without a query. `model_names`: the model's name and its aliases.

    Raises:
        Forbidden: the model is not one of the key's.
        InvalidRequest: too long, too large or too expensive.
    """
    check_model(key, model_names)
    if key.longest_seconds is not None and seconds > key.longest_seconds:
        raise InvalidRequest(
            f"`duration` is {_in_seconds(seconds)}; with this key a video may have at most {_in_seconds(key.longest_seconds)}.",
            param="duration",
        )
    if key.largest_resolution and pixels(resolution) > pixels(key.largest_resolution):
        raise InvalidRequest(
            f"`resolution` {resolution} has more pixels than {key.largest_resolution}, the most that this key may ask for.",
            param="resolution",
        )
    if key.highest_price is not None and price > key.highest_price:
        raise _too_dear(key.highest_price, price=price, seconds=seconds)


def _too_dear(highest: Decimal, *, price: Decimal, seconds: int) -> InvalidRequest:
    """A price grows with the seconds: where not even one is cheap enough, the duration is not what is at fault."""
    words = f"This video costs {usd(price)}; with this key one may cost at most {usd(highest)}."
    if round(price / seconds, 4) <= highest:
        return InvalidRequest(f"{words} A shorter `duration` or a smaller `resolution` costs less.", param="duration")
    return InvalidRequest(
        f"{words} One second alone costs more at this `resolution`: ask for a smaller one or for another `model`.", param="resolution"
    )


def _in_seconds(seconds: int) -> str:
    return f"{seconds} second{'' if seconds == 1 else 's'}"


# ---- How many tasks -------------------------------------------------------------------------------------------------


def needs_counts(key: VirtualKey) -> bool:
    """Whether a new task must be counted against others: only then are they counted, with the key's row locked."""
    return key.tasks_in_flight is not None or key.tasks_per_hour is not None


def check_counts(key: VirtualKey, *, in_flight: int, last_hour: int, oldest: datetime | None = None, waiting: int = 0) -> bool:
    """Check a new task against the key's others: those in flight now, those that wait to be (`waiting`), those created in the last
    sixty minutes. Whether the new one has to wait until another ends.

    `oldest`: when the first of the last hour was created, which tells when there is a place again.

    Raises:
        RateLimited: there are as many as may be.
    """
    queues = key.over_limit == OverLimit.QUEUE and key.tasks_in_flight is not None
    waits = queues and (waiting > 0 or in_flight >= (key.tasks_in_flight or 0))
    if waits and key.queue_max is not None and waiting >= key.queue_max:
        raise RateLimited(
            f"You reached this key's rate limit of {_tasks_in_words(key.tasks_in_flight or 0)} in flight and {key.queue_max} more that may "
            f"wait: {waiting} {'waits' if waiting == 1 else 'wait'} now. "
            f"Wait until one is taken up, or cancel one; look again in {_in_words(CONCURRENCY_RETRY_SECONDS)}.",
            code="concurrency_limit_exceeded",
            retry_after=CONCURRENCY_RETRY_SECONDS,
            limit=(key.tasks_in_flight or 0) + key.queue_max,
        )
    if not queues and key.tasks_in_flight is not None and in_flight >= key.tasks_in_flight:
        raise RateLimited(
            f"You reached this key's rate limit of {_tasks_in_words(key.tasks_in_flight)} in flight: {in_flight} "
            f"{'is' if in_flight == 1 else 'are'} queued or processing now. "
            f"Wait until one ends, or cancel one; look again in {_in_words(CONCURRENCY_RETRY_SECONDS)}.",
            code="concurrency_limit_exceeded",
            retry_after=CONCURRENCY_RETRY_SECONDS,
            limit=key.tasks_in_flight,
        )
    if key.tasks_per_hour is not None and last_hour >= key.tasks_per_hour:
        seconds = _until_an_hour_after(oldest) if oldest else HOURLY_RETRY_SECONDS
        raise RateLimited(
            f"You reached this key's rate limit of {_tasks_in_words(key.tasks_per_hour)} in any 60 minutes. "
            f"Try again in {_in_words(seconds)}.",
            retry_after=seconds,
            limit=key.tasks_per_hour,
        )
    return waits


def _tasks_in_words(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _until_an_hour_after(moment: datetime) -> int:
    return max(1, math.ceil((moment + timedelta(hours=1) - clock.now()).total_seconds()))
