"""How often something may be done."""

import time


class Rate:
    """So many times in a second, and `burst` times at once (as many, unless told)."""

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second if burst is None else burst)
        self._left = self._burst
        self._at = time.monotonic()

    def allows(self) -> bool:
        """Count one; False when it is one too many."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def is_little_used(self) -> bool:
        """Whether nine tenths of a burst are left."""
        return self._left >= 0.9 * self._burst

    @property
    def is_rested(self) -> bool:
        """Whether it is as good as new."""
        return self._left + (time.monotonic() - self._at) * self._per_second >= self._burst


class Rates:
    """A rate for each name, forgotten when it is rested."""

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second = per_second
        self._burst = burst
        self._rates: dict[str, Rate] = {}

    def allows(self, name: str) -> bool:
        if len(self._rates) > 1000 and name not in self._rates:
            self._rates = {known: rate for known, rate in self._rates.items() if not rate.is_rested}
        rate = self._rates.get(name)
        if rate is None:
            rate = self._rates[name] = Rate(self._per_second, self._burst)
        return rate.allows()
