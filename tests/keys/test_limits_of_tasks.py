"""What one task may be, how many there may be, and where from a key may be used: rules without a query."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from conduit import clock
from conduit.api.errors import ApiError
from keys import limits
from keys.models import VirtualKey

WISH = {"model_names": ["video-01", "minimax-video"], "seconds": 6, "resolution": "1280x720", "price": Decimal("0.2000")}


def refusal(check, key, *arguments, **wish):
    """The status, code and parameter of a check's refusal, with its message; None when it passes."""
    try:
        check(key, *arguments, **wish)
    except ApiError as error:
        return (error.status, error.code, error.param), error.message
    return None


@pytest.mark.parametrize(
    "may",
    [
        {},
        {"model_names": ["minimax-video"]},
        {"model_names": ["other", "video-01"]},
        {"longest_seconds": 6},
        {"largest_resolution": "1280x720"},
        {"largest_resolution": "720x1280"},
        {"largest_resolution": "1920x1080"},
        {"highest_price": Decimal("0.2")},
        {"model_names": ["video-01"], "longest_seconds": 60, "largest_resolution": "1920x1080", "highest_price": Decimal(1)},
    ],
)
def test_what_a_key_may_ask_for_passes_up_to_the_limit_itself(may):
    assert refusal(limits.check_request, VirtualKey(**may), **WISH) is None


@pytest.mark.parametrize(
    ("may", "error", "told"),
    [
        ({"model_names": ["minimax-h3"]}, (403, "model_not_allowed", "model"), "minimax-h3"),
        ({"longest_seconds": 5}, (400, "invalid_request", "duration"), "at most 5"),
        ({"longest_seconds": 0}, (400, "invalid_request", "duration"), "at most 0"),
        ({"largest_resolution": "720x480"}, (400, "invalid_request", "resolution"), "720x480"),
        ({"longest_seconds": 1}, (400, "invalid_request", "duration"), "is 6 seconds; with this key a video may have at most 1 second."),
        (
            {"highest_price": Decimal("0.1999")},
            (400, "invalid_request", "duration"),
            "costs 0.20 USD; with this key one may cost at most 0.1999",
        ),
        ({"highest_price": Decimal("0.0333")}, (400, "invalid_request", "duration"), "A shorter `duration` or"),
        ({"highest_price": Decimal("0.0332")}, (400, "invalid_request", "resolution"), "One second alone costs more at this `resolution`"),
    ],
)
def test_what_a_key_may_not_ask_for_is_refused_with_the_parameter_and_the_limit(may, error, told):
    found, message = refusal(limits.check_request, VirtualKey(**may), **WISH)

    assert found == error
    assert told in message


@pytest.mark.parametrize(
    ("may", "in_flight", "last_hour", "error"),
    [
        ({}, 10**6, 10**6, None),
        ({"tasks_in_flight": 3}, 2, 10**6, None),
        ({"tasks_in_flight": 3}, 3, 0, "concurrency_limit_exceeded"),
        ({"tasks_in_flight": 3}, 4, 0, "concurrency_limit_exceeded"),
        ({"tasks_in_flight": 0}, 0, 0, "concurrency_limit_exceeded"),
        ({"tasks_per_hour": 3}, 10**6, 2, None),
        ({"tasks_per_hour": 3}, 0, 3, "rate_limit_exceeded"),
        ({"tasks_per_hour": 0}, 0, 0, "rate_limit_exceeded"),
    ],
)
def test_a_task_more_than_a_key_may_have_is_429_with_when_to_come_back(may, in_flight, last_hour, error):
    key = VirtualKey(**may)

    if error is None:
        limits.check_counts(key, in_flight=in_flight, last_hour=last_hour)
        return
    with pytest.raises(limits.RateLimited) as refused:
        limits.check_counts(key, in_flight=in_flight, last_hour=last_hour)
    assert (refused.value.status, refused.value.type, refused.value.code) == (429, "rate_limit_error", error)
    assert "rate limit" in refused.value.message
    assert int(refused.value.headers["Retry-After"]) > 0
    assert refused.value.headers["X-RateLimit-Reset-Requests"] == refused.value.headers["Retry-After"]


@pytest.mark.parametrize(
    ("in_flight", "waiting", "queue_max", "waits"),
    [(2, 0, 5, False), (3, 0, 5, True), (2, 1, 5, True), (3, 4, 5, True), (3, 5, 5, None), (0, 5, 5, None), (3, 10**6, None, True)],
)
def test_a_task_beyond_those_in_flight_waits_where_the_key_says_so_behind_those_that_wait(in_flight, waiting, queue_max, waits):
    key = VirtualKey(tasks_in_flight=3, over_limit="queue", queue_max=queue_max)
    counts = {"in_flight": in_flight, "last_hour": 0, "waiting": waiting}

    if waits is not None:
        assert limits.check_counts(key, **counts) is waits
        return
    with pytest.raises(limits.RateLimited) as refused:
        limits.check_counts(key, **counts)
    assert refused.value.code == "concurrency_limit_exceeded"
    assert "3 tasks in flight and 5 more that may wait" in refused.value.message


def test_what_waits_still_refuses_nothing_once_a_key_does_not_queue_any_more():
    assert limits.check_counts(VirtualKey(tasks_in_flight=3), in_flight=2, last_hour=0, waiting=7) is False


@pytest.mark.parametrize(
    ("age", "retry_after", "words"),
    [
        (timedelta(minutes=59, seconds=30), 30, "30 seconds"),
        (timedelta(minutes=59, seconds=59), 1, "1 second."),
        (timedelta(minutes=20), 2400, "40 minutes"),
        (timedelta(minutes=61), 1, "1 second."),
    ],
)
def test_the_hourly_limit_says_when_the_oldest_task_is_an_hour_old(age, retry_after, words, time_travel):
    time_travel.move_to(datetime(2026, 5, 1, tzinfo=UTC), tick=False)

    with pytest.raises(limits.RateLimited) as refused:
        limits.check_counts(VirtualKey(tasks_per_hour=2), in_flight=0, last_hour=2, oldest=clock.now() - age)
    assert refused.value.headers["Retry-After"] == str(retry_after)
    assert f"Try again in {words}" in refused.value.message


@pytest.mark.parametrize(("may", "needs"), [({}, False), ({"tasks_in_flight": 0}, True), ({"tasks_per_hour": 5}, True)])
def test_tasks_are_counted_only_for_keys_with_such_a_limit(may, needs):
    assert limits.needs_counts(VirtualKey(creates_per_minute=1, **may)) is needs


@pytest.mark.parametrize(
    ("ranges", "address", "may"),
    [
        ([], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.9"], "203.0.113.9", True),
        (["203.0.113.7/24"], "203.0.113.9", True),
        (["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8", "2001:db8::/32"], "203.0.113.9", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "10.0.0.1, 10.0.0.2", False),
        (["nonsense"], "10.0.0.1", False),
        (["nonsense", "10.0.0.0/8"], "10.0.0.1", True),
    ],
)
def test_a_key_is_used_from_its_ranges_alone(ranges, address, may):
    found = refusal(limits.check_address, VirtualKey(ip_ranges=ranges), address)

    assert (found is None) is may
    assert found is None or found[0] == (403, "ip_not_allowed", None)
