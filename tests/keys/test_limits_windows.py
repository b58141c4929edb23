"""The sliding windows themselves, on a real Valkey. Time passes only where a test says so."""

import itertools
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from keys import limits, rates
from keys.rates import DAY, GUARD, MINUTE, PATIENCE, Count, Limit
from tests.support.valkey import ValkeyForTests

START = 1_800_000_000.0
A_HAIR = 0.000_01  # moments are kept in whole microseconds
_ids = itertools.count(random.SystemRandom().randrange(10**6, 10**12))  # keys that no other test counts for


class Caller:
    """One key that calls at moments of the test's choosing, in seconds after START."""

    def __init__(self, *limits: Limit) -> None:
        self.id, self.limits = next(_ids), limits
        self.passed: list[float] = []  # when its accepted calls went on

    def call(self, at: float, limits: Sequence[Limit] | None = None) -> Count:
        count = rates.count(caller=str(self.id), address="", limits=self.limits if limits is None else limits, clock=lambda: START + at)
        if count.accepted:
            self.passed.append(at + count.wait)
        return count

    def calls(self, times: int, at: float) -> list[bool]:
        return [self.call(at).accepted for _ in range(times)]


def most_within(seconds: float, moments: Sequence[float]) -> int:
    """How many of them the fullest span of so many seconds holds."""
    return max(sum(begin <= moment < begin + seconds - A_HAIR for moment in moments) for begin in moments)


def per_minute(calls: int) -> Limit:
    return Limit("minute", calls, MINUTE)


@pytest.mark.soak
def test_sixteen_at_once_for_170_seconds_are_given_exactly_180_calls_of_60_per_minute():
    caller = Caller(per_minute(60))

    for tick in range(170 * 4):
        caller.calls(16, at=tick / 4)

    assert len(caller.passed) == 180
    assert most_within(MINUTE, caller.passed) == 60


def test_calls_that_really_come_at_once_from_many_connections_are_counted_one_by_one():
    key_id = next(_ids)

    def call(_: int) -> bool:
        return rates.count(caller=str(key_id), address="", limits=[per_minute(60)]).accepted

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(call, range(400))) == 60


@hypothesis_settings(deadline=None, max_examples=60)
@given(calls=st.integers(1, 5), gaps=st.lists(st.floats(0, 40, allow_nan=False), max_size=60))
def test_however_calls_come_no_60_seconds_hold_more_than_the_limit(calls, gaps):
    caller = Caller(per_minute(calls))

    for at in itertools.accumulate(gaps):
        caller.call(at)

    assert not caller.passed or most_within(MINUTE, caller.passed) <= calls


@hypothesis_settings(deadline=None, max_examples=60)
@given(calls=st.integers(1, 5), gaps=st.lists(st.floats(0, 40, allow_nan=False), max_size=60))
def test_a_caller_that_keeps_to_the_limit_is_never_refused_and_never_waits(calls, gaps):
    caller = Caller(per_minute(calls))
    sent: list[float] = []

    for at in itertools.accumulate(gaps):
        if len(sent) < calls or at - sent[-calls] >= MINUTE + A_HAIR:
            sent.append(at)
            count = caller.call(at)
            assert (count.accepted, count.wait) == (True, 0)


def test_calls_sent_evenly_at_the_limit_are_not_refused_for_arriving_unevenly():
    caller, uneven = Caller(per_minute(60)), random.Random(5)

    waits = [caller.call(at=second + uneven.uniform(0, PATIENCE)).wait for second in range(600)]

    assert len(caller.passed) == 600
    assert 0 < max(waits) <= PATIENCE
    assert most_within(MINUTE, caller.passed) == 60


def test_who_was_refused_gets_each_place_a_little_later_until_a_window_has_passed_without():
    caller = Caller(per_minute(1))
    caller.call(at=0)
    assert not caller.call(at=30).accepted

    assert caller.call(at=MINUTE).wait == pytest.approx(GUARD)
    assert caller.call(at=2 * MINUTE + GUARD).wait == 0


def test_a_call_at_the_very_end_of_the_window_passes_even_after_a_refusal():
    caller = Caller(per_minute(3))
    caller.calls(4, at=0)

    assert caller.call(at=MINUTE).accepted


def test_few_calls_wait_at_once_and_the_others_are_refused():
    caller = Caller(per_minute(5))
    caller.calls(5, at=0)

    assert caller.calls(5, at=MINUTE - PATIENCE / 2).count(True) == rates.WAITING_MAX


def test_the_refused_are_told_when_the_next_place_is_free_and_find_it_then():
    caller = Caller(per_minute(2))
    for at in (0, 10):
        caller.call(at)

    refused = caller.call(at=20)

    assert (refused.accepted, refused.wait) == (False, pytest.approx(MINUTE - 20 + GUARD))
    assert caller.call(at=20 + refused.wait).wait == 0
    assert not caller.call(at=20 + refused.wait).accepted


@pytest.mark.parametrize("at", [0.1, 0.25, 0.74, 0.75, 0.76, 30, 59.2, 59.7, 59.749])
def test_who_comes_back_after_the_whole_seconds_that_a_caller_is_told_is_let_in(at):
    caller = Caller(per_minute(1))
    caller.call(at=0)

    refused = caller.call(at)

    assert not refused.accepted
    assert caller.call(at + limits.in_whole_seconds(refused.wait)).accepted


def test_who_is_refused_again_is_told_of_the_same_place():
    caller = Caller(per_minute(1))
    caller.call(at=0)

    assert [at + caller.call(at).wait for at in (1, 30, 59)] == pytest.approx([MINUTE + GUARD] * 3)


def test_a_refused_call_counts_against_no_limit():
    minute, day = per_minute(2), Limit("day", 5, DAY)
    caller = Caller(minute, day)

    caller.calls(10, at=0)

    assert [counted.remaining for counted in caller.call(at=0).limits] == [0, 3]
    for at in (2 * MINUTE, 4 * MINUTE):
        caller.calls(10, at)
    assert len(caller.passed) == 5


def test_a_call_waits_for_the_slowest_of_its_limits():
    caller = Caller(per_minute(1), Limit("day", 1, DAY))
    caller.call(at=0)

    assert caller.call(at=1).wait == pytest.approx(DAY - 1 + GUARD)


def test_what_remains_is_told_with_when_it_grows():
    caller = Caller(per_minute(3))

    found = [caller.call(at).limits[0] for at in (0, 10, 20, 65)]

    assert [counted.remaining for counted in found] == [2, 1, 0, 0]
    assert [counted.next_place for counted in found] == pytest.approx([60, 50, 40, 5])


def test_keys_and_limits_are_counted_apart():
    minute, other = per_minute(1), Limit("other", 1, MINUTE)
    ann, bob = Caller(minute), Caller(minute)

    assert [ann.call(0).accepted, bob.call(0).accepted, ann.call(0, [other]).accepted] == [True, True, True]
    assert [ann.call(0).accepted, bob.call(0).accepted, ann.call(0, [other]).accepted] == [False, False, False]


def test_a_limit_of_nothing_lets_nothing_pass():
    assert Caller(per_minute(0)).calls(2, at=0) == [False, False]


@pytest.mark.parametrize(("before", "after", "passes"), [(5, 2, 0), (2, 5, 3), (5, 5, 0)])
def test_a_limit_that_is_changed_holds_at_once_and_knows_what_was_called(before, after, passes):
    caller = Caller(per_minute(before))
    caller.calls(before, at=0)

    assert [caller.call(1, [per_minute(after)]).accepted for _ in range(6)].count(True) == passes
    assert [caller.call(2 * MINUTE, [per_minute(after)]).accepted for _ in range(6)].count(True) == after


def test_a_lowered_limit_tells_when_enough_calls_are_old_enough():
    caller = Caller(per_minute(5))
    for at in (0, 10, 20, 30, 40):
        caller.call(at)

    assert caller.call(41, [per_minute(2)]).wait == pytest.approx(30 + MINUTE - 41 + GUARD)


def test_a_limit_lowered_to_nothing_does_not_wait_for_a_place():
    caller = Caller(per_minute(1))
    caller.call(at=0)

    assert not caller.call(MINUTE - PATIENCE / 2, [per_minute(0)]).accepted


def test_a_limit_that_had_room_is_not_guarded_for_the_refusal_of_another():
    minute, nothing = per_minute(2), Limit("nothing", 0, MINUTE)
    caller = Caller(minute)
    caller.call(at=0)
    assert not caller.call(30, [minute, nothing]).accepted

    caller.call(at=31)

    assert caller.call(at=MINUTE).wait == 0


def test_where_as_many_wait_as_may_a_limit_with_nobody_waiting_changes_nothing():
    minute, other = per_minute(5), Limit("other", 1, MINUTE)
    caller, soon = Caller(minute), MINUTE - PATIENCE / 2
    caller.calls(5, at=0)
    caller.call(0, [other])
    caller.calls(rates.WAITING_MAX, at=soon)

    assert not caller.call(soon, [minute, other]).accepted


def test_many_calls_leave_the_window_together_and_no_other_does():
    caller = Caller(per_minute(350))
    caller.calls(320, at=0)
    caller.calls(30, at=1)

    assert caller.call(at=MINUTE).limits[0].remaining == 350 - 31


def test_a_clock_that_is_set_back_locks_nobody_out():
    caller = Caller(per_minute(2))
    caller.calls(3, at=3600)

    assert caller.calls(2, at=0) == [True, True]
    assert caller.call(at=MINUTE).wait == 0


@pytest.fixture
def own_valkey(settings):
    server = ValkeyForTests()
    server.start()
    settings.REDIS_URL = server.url
    yield server
    server.stop()


def test_after_redis_was_killed_and_started_again_the_count_goes_on(own_valkey):
    caller = Caller(per_minute(60))
    caller.calls(40, at=0)

    own_valkey.stop()
    with pytest.raises(redis.RedisError):
        caller.call(at=1)
    own_valkey.start()

    assert caller.calls(30, at=2).count(True) == 20
    assert caller.calls(61, at=2 * MINUTE + 2).count(True) == 60


def test_a_restart_of_redis_between_two_calls_is_noticed_by_neither(own_valkey):
    caller = Caller(per_minute(2))
    caller.call(at=0)

    own_valkey.stop()
    own_valkey.start()

    assert caller.calls(2, at=1) == [True, False]


def test_a_redis_that_forgot_everything_counts_anew(own_valkey, settings):
    caller = Caller(per_minute(2))
    caller.calls(2, at=0)

    server = redis.Redis.from_url(settings.REDIS_URL)
    server.flushall()
    server.script_flush()

    assert caller.calls(3, at=1) == [True, True, False]


def test_what_is_counted_is_forgotten_soon_after_its_window(own_valkey, settings):
    caller = Caller(per_minute(1), Limit("day", 1, DAY))
    caller.calls(2, at=0)

    server = redis.Redis.from_url(settings.REDIS_URL)
    lives = {name.decode(): server.ttl(name) for name in server.scan_iter("conduit:calls:*")}

    assert len(lives) == 4
    assert all(0 < seconds <= (DAY if "day" in name else MINUTE) + 1 for name, seconds in lives.items())
