"""A receiver, and a sender whose looks a test decides."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from conduit import clock
from tasks.notifications import endpoints
from tasks.notifications.models import Delivery, Endpoint
from tasks.notifications.worker import LOOK_SECONDS, Sender
from tests.support.receiving import Receiver

PATIENCE_SECONDS = 120.0


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """It speaks plain http, which is allowed as long as it is there."""
    settings.OUTBOUND_HTTP = True
    with Receiver() as receiver:
        yield receiver


class Sends:
    """A sender in this thread: `sends()` looks until nothing is due any more."""

    def __init__(self) -> None:
        self.sender = Sender(connections=16)

    def __call__(self) -> None:
        began = time.monotonic()
        while self.sender.look() != LOOK_SECONDS or not self.sender.is_idle:
            waited = time.monotonic() - began
            assert waited < PATIENCE_SECONDS, list(Delivery.objects.values())
            time.sleep(min(0.05, 0.005 + waited / 20))  # each look takes processor time from those who are called

    def close(self) -> None:
        self.sender._callers.shutdown(wait=True, cancel_futures=True)


@pytest.fixture
def sends(db: None) -> Iterator[Sends]:
    with closing(Sends()) as sends:
        yield sends


@pytest.fixture
def make_endpoint(receiver: Receiver) -> Any:
    """`make_endpoint("/a", "task.completed", key=…)`: an endpoint of the receiver's at that path, and its secret."""

    def make(path: str, *event_types: str, **owner: Any) -> tuple[Endpoint, str]:
        return endpoints.create(name=path, url=receiver.url + path, event_types=list(event_types), **owner)

    return make


@pytest.fixture
def hour(time_travel: Any) -> Any:
    """The clock stands still but for this: `hour(2)` moves it on by two hours."""
    time_travel.move_to(clock.now(), tick=True)
    return lambda hours: time_travel.shift(timedelta(hours=hours))
