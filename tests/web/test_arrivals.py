"""What is too slow: nothing in its first seconds, and then less than the least rate, or longer than the deadline."""

import pytest

from conduit.web import arrivals
from conduit.web.arrivals import GRACE_SECONDS, Arrivals
from conduit.web.bounds import Bounds

BOUNDS = Bounds(headers_seconds=20, body_seconds=100, least_bytes_per_second=10, connections_per_address=1, unknown_secrets_per_minute=1)


@pytest.mark.parametrize(
    ("is_body", "age", "size", "is_late"),
    [
        (False, GRACE_SECONDS, 1, False),
        (False, GRACE_SECONDS + 1, 1, True),
        (False, GRACE_SECONDS + 1, 0, False),  # only opened, perhaps for later
        (True, GRACE_SECONDS + 1, 0, True),
        (False, 15, 150, False),
        (False, 15, 149, True),
        (False, 21, 10_000, True),
        (True, 21, 10_000, False),
        (True, 101, 100_000, True),
    ],
)
def test_what_is_late(monkeypatch, is_body, age, size, is_late):
    arrival = arrivals._Arrival(is_body=is_body)
    arrival.size = size
    monkeypatch.setattr("time.monotonic", lambda: arrival.since + age)
    assert Arrivals(BOUNDS)._is_late(arrival) is is_late
