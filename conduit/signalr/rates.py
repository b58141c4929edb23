"""How often something may be done."""

import time


class Rate:
    """So many times in a second, and once as many in a burst."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second)
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
    def is_rested(self) -> bool:
        """Whether it is as good as new."""
        return self._left + (time.monotonic() - self._at) * self._per_second >= self._burst


class Rates:
    """A rate for each name, forgotten when it is rested."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._rates: dict[str, Rate] = {}

    def allows(self, name: str) -> bool:
        if len(self._rates) > 1000 and name not in self._rates:
            self._rates = {known: rate for known, rate in self._rates.items() if not rate.is_rested}
        return self._rates.setdefault(name, Rate(self._per_second)).allows()
