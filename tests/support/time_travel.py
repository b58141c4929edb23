"""Moving the one clock of the test's own process. Hosts' clocks are left alone: nothing that is compared goes by them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from conduit import clock


class TravellersClock(clock.HostClock):
    """Shows what it was set to, and runs on from there when it ticks."""

    def __init__(self, seconds: float, *, tick: bool) -> None:
        self._set_to, self._set_at, self._tick = seconds, time.monotonic(), tick

    def seconds(self) -> float:
        return self._set_to + (time.monotonic() - self._set_at if self._tick else 0.0)

    def shift(self, seconds: float) -> None:
        self._set_to += seconds


class TimeTravel:
    """To a moment (one without a zone is in UTC), and on from there. The clock is given back when the test ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._clock: TravellersClock | None = None

    def move_to(self, moment: datetime | str, *, tick: bool = True) -> None:
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self._clock = TravellersClock(aware.timestamp(), tick=tick)
        self._monkeypatch.setattr(clock, "_clock", self._clock)

    def shift(self, by: timedelta | float) -> None:
        assert self._clock is not None, "move_to a moment first"
        self._clock.shift(by.total_seconds() if isinstance(by, timedelta) else by)
