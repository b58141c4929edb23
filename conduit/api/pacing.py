"""How often a path without a key may be called, counted in this process alone: such a path must answer whatever is away."""

import threading
import time
from collections.abc import Callable
from math import ceil

from conduit.api.errors import TooManyRequests
from conduit.api.network import network_of

# Addresses that are remembered; beyond that those that have their whole burst left go first, then the next address to come.
ADDRESSES_MAX = 10_000


class TooManyCalls(TooManyRequests):
    """An address, or all of them together, called a path too often."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "The rate limit of this path is reached. Please come back after the seconds of Retry-After.",
            headers={"Retry-After": str(max(1, ceil(seconds)))},
        )


class Pace:
    """At most `burst` calls at once and `per_second` on average: of each address, and `times_in_all` as many of all together.

    What is kept of an address is when its burst will be whole again (the generic cell rate algorithm).
    """

    def __init__(self, *, per_second: float, burst: int, times_in_all: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each, self._burst = 1 / per_second, burst / per_second
        self._share = times_in_all
        self._clock = clock
        self._whole_at: dict[str, float] = {}
        self._all_whole_at = 0.0
        self._lock = threading.Lock()

    def count(self, address: str) -> None:
        """Count a call; TooManyCalls when there is no place for it, which then counts against nothing."""
        name, now = network_of(address), self._clock()
        with self._lock:
            whole_at = max(self._whole_at.get(name, now), now) + self._each
            all_whole_at = max(self._all_whole_at, now) + self._each / self._share
            if (wait := max(whole_at, all_whole_at) - now - self._burst) > 1e-9:
                raise TooManyCalls(wait)
            self._whole_at[name], self._all_whole_at = whole_at, all_whole_at
            if len(self._whole_at) > ADDRESSES_MAX:
                self._whole_at = {name: at for name, at in self._whole_at.items() if at > now}
            while len(self._whole_at) > ADDRESSES_MAX:
                del self._whole_at[next(iter(self._whole_at))]
