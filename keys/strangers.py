"""Secrets that open nothing: so many are looked up for one address in a minute, and then only those that were good lately.

Counted over all processes, in Redis; while it is away each process counts for itself, and what it cannot ask passes: a good key is never
locked out by what is unknown.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from django.conf import settings

from conduit.api.errors import TooManyRequests
from conduit.api.network import network_of
from conduit.redis_client import shared_client
from conduit.redis_on_loop import loop_redis
from conduit.streams.breaker import Away, breaker_of
from keys.rates import ANSWER_SECONDS, MINUTE

# For so long (seconds) a secret that was good passes others that come from its address; it is noted anew so often.
GOOD_SECONDS = 24 * 3600
NOTED_AGAIN_SECONDS = 3600
# What each process remembers of either: addresses, and secrets that were good.
KNOWN_MAX = 10_000

Known = TypeVar("Known")

_UNKNOWN, _GOOD = "conduit:unknown:", "conduit:good:"
_UNCOUNTED = "unknown secrets are counted by each process alone"


class UnknownSecrets(TooManyRequests):
    """From this address came so many that no more are looked up for now."""

    def __init__(self, retry_after: int) -> None:
        most = settings.WEB_BOUNDS.unknown_secrets_per_minute
        super().__init__(
            f"Too many unknown keys came from this address: the rate limit is {most} in a minute. Check your key, and try again in "
            f"{retry_after} seconds.",
            headers={"Retry-After": str(retry_after)},
        )


class Strangers:
    """What one process knows. Any thread may tell it; the event loop asks."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when that is over
        self._noted: OrderedDict[str, float] = OrderedDict()

    def came_from(self, address: str) -> None:
        """One more unknown secret. Asks Redis, in a thread."""
        network, now = network_of(address), time.monotonic()
        count, ends_at = self._counts.get(network, (0, 0.0))
        if ends_at <= now:
            count, ends_at = 0, now + MINUTE
        count += 1
        with suppress(Away), breaker_of(settings.REDIS_URL).asking(_UNCOUNTED):
            asked = shared_client(settings.REDIS_URL, seconds=ANSWER_SECONDS).pipeline()
            asked.set(_UNKNOWN + network, 0, ex=MINUTE, nx=True)
            asked.incr(_UNKNOWN + network)
            asked.pttl(_UNKNOWN + network)
            _, everywhere, left = asked.execute()
            count, ends_at = int(everywhere), now + int(left) / 1000
        _remember(self._counts, network, (count, ends_at))

    @property
    def have_come(self) -> bool:
        """Whether any unknown secret came lately."""
        return bool(self._counts)

    def seconds_closed(self, address: str) -> float:
        """For how long no unknown secret from there is looked up; 0 when the next one is. On the loop."""
        network, now = network_of(address), time.monotonic()
        count, ends_at = self._counts.get(network, (0, 0.0))
        if ends_at <= now:
            self._counts.pop(network, None)
            return 0
        return ends_at - now if count >= settings.WEB_BOUNDS.unknown_secrets_per_minute else 0

    async def was_good(self, digest: str) -> bool:
        """Whether that secret opened something within the last day, as far as anybody can say. Asks Redis, on the loop."""
        if digest in self._noted:
            return True
        try:
            with breaker_of(settings.REDIS_URL).asking(_UNCOUNTED):
                return bool(await loop_redis(settings.REDIS_URL, seconds=ANSWER_SECONDS).ask("EXISTS", _GOOD + digest))
        except Away:
            return True

    async def note(self, digest: str) -> None:
        """That secret is good. Tells Redis, on the loop."""
        _remember(self._noted, digest, time.monotonic())
        with suppress(Away), breaker_of(settings.REDIS_URL).asking(_UNCOUNTED):
            await loop_redis(settings.REDIS_URL, seconds=ANSWER_SECONDS).ask("SET", _GOOD + digest, 1, "EX", GOOD_SECONDS)


strangers = Strangers()


class UnknownSecret(Exception):
    """Mixed into what a secret is refused with that nobody has."""


@contextmanager
def counted(address: str) -> Iterator[None]:
    """Look up a secret from that address in here: one that is unknown is counted, and then refused as ever."""
    try:
        yield
    except UnknownSecret:
        strangers.came_from(address)
        raise


def _remember(known: OrderedDict[str, Known], name: str, what: Known) -> None:
    known[name] = what
    known.move_to_end(name)
    if len(known) > KNOWN_MAX:
        known.popitem(last=False)
