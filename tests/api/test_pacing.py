"""How often a path without a key may be called."""

import pytest

from conduit.api import pacing
from conduit.api.pacing import Pace, TooManyCalls


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def taken(pace, address, calls):
    """How many of so many calls are let in, and how long the others shall wait."""
    let_in, waits = 0, []
    for _ in range(calls):
        try:
            pace.count(address)
            let_in += 1
        except TooManyCalls as refusal:
            waits.append(int(refusal.headers["Retry-After"]))
    return let_in, waits


def test_an_address_has_its_burst_and_then_its_pace(clock):
    pace = Pace(per_second=0.5, burst=4, times_in_all=10, clock=clock)

    assert taken(pace, "192.0.2.1", 6) == (4, [2, 2])
    clock.now += 2
    assert taken(pace, "192.0.2.1", 2) == (1, [2])
    clock.now += 60
    assert taken(pace, "192.0.2.1", 5)[0] == 4


def test_one_address_takes_nothing_from_another_and_all_together_have_a_bound(clock):
    pace = Pace(per_second=1, burst=2, times_in_all=3, clock=clock)

    assert [taken(pace, f"192.0.2.{number}", 3)[0] for number in range(5)] == [2, 2, 2, 0, 0]
    clock.now += 1
    assert taken(pace, "192.0.2.9", 5)[0] == 2


def test_addresses_of_one_network_of_ipv6_are_one(clock):
    pace = Pace(per_second=1, burst=2, times_in_all=10, clock=clock)

    assert taken(pace, "2001:db8::1", 1)[0] == 1
    assert taken(pace, "2001:db8::2", 2)[0] == 1
    assert taken(pace, "2001:db8:0:1::1", 2)[0] == 2


def test_what_is_remembered_of_addresses_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(pacing, "ADDRESSES_MAX", 10)
    pace = Pace(per_second=1, burst=2, times_in_all=1000, clock=clock)

    for number in range(100):
        pace.count(f"192.0.2.{number}")

    assert len(pace._whole_at) == 10
