"""How often a key may call, as its caller sees it."""

import time
from ipaddress import ip_network

import pytest
import redis
from django.test import Client

from conduit.streams import breaker
from keys import rates
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.valkey import ValkeyForTests

pytestmark = pytest.mark.django_db

GENERATIONS, ESTIMATE, TASKS = "/v1/video/generations", "/v1/video/generations/estimate", "/v1/tasks"
WISH = {"model": "minimax-video", "prompt": "a cat"}


@pytest.fixture
def own_valkey(settings):
    server = ValkeyForTests()
    server.start()
    settings.REDIS_URL = server.url
    yield server
    server.stop()


def allow(consumer, **may):
    vars(consumer.key).update(may)
    consumer.key.save(update_fields=list(may))


def told(answer):
    """Limit, remaining and reset of an answer's headers; None for those it does not have."""
    values = [answer.headers.get(f"X-RateLimit-{name}-Requests") for name in ("Limit", "Remaining", "Reset")]
    return tuple(value and int(value) for value in values)


def too_often(answer):
    """Check that the answer is a rate limit's refusal that says when to come back, and give its message."""
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"], error["param"]) == (429, "rate_limit_error", "rate_limit_exceeded", None)
    assert int(answer.headers["Retry-After"]) > 0
    return error["message"]


def test_creating_calls_above_the_limit_are_429_with_when_to_come_back(consumer):
    allow(consumer, creates_per_minute=2)
    for _ in range(2):
        assert consumer.post(ESTIMATE, WISH).status_code == 200

    answer = consumer.post(GENERATIONS, WISH)

    message = too_often(answer)
    assert "rate limit of 2 calls that create, retry or estimate in any minute" in message
    assert 58 <= int(answer.headers["Retry-After"]) <= 60
    assert f"Try again in {answer.headers['Retry-After']} seconds." in message
    assert told(answer) == (2, 0, int(answer.headers["Retry-After"]))


def test_retry_after_and_reset_are_one_moment_however_often_a_caller_is_refused(consumer):
    allow(consumer, creates_per_minute=1)
    consumer.post(ESTIMATE, WISH)

    for answer in [consumer.post(ESTIMATE, WISH) for _ in range(3)]:
        assert told(answer) == (1, 0, int(answer.headers["Retry-After"]))
        assert 58 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("may", "code", "words", "retry_after"),
    [
        ({"tasks_in_flight": 1}, "concurrency_limit_exceeded", "rate limit of 1 task in flight: 1 is queued or processing now", {10}),
        ({"tasks_per_hour": 1}, "rate_limit_exceeded", "rate limit of 1 task in any 60 minutes. Try again in 60 minutes", {3599, 3600}),
    ],
)
def test_a_task_too_many_shows_the_limit_that_it_met_and_not_that_of_calls(consumer, may, code, words, retry_after):
    allow(consumer, creates_per_minute=100, **may)
    consumer.generate()

    answer = consumer.post(GENERATIONS, WISH)

    assert words in refused(answer, 429, code)
    assert told(answer) == (1, 0, int(answer.headers["Retry-After"]))
    assert int(answer.headers["Retry-After"]) in retry_after


def test_when_to_come_back_is_never_told_too_early(consumer, monkeypatch):
    monkeypatch.setattr(rates, "MINUTE", 0.9)
    allow(consumer, creates_per_minute=0)

    answer = consumer.post(ESTIMATE, WISH)

    assert "Try again in 1 second." in too_often(answer)
    assert answer.headers["Retry-After"] == "1"


def test_create_retry_and_estimate_are_counted_together(consumer):
    allow(consumer, creates_per_minute=10)

    task = consumer.post(GENERATIONS, WISH)
    answers = [task, consumer.post(f"{GENERATIONS}/{task.json()['task_id']}/retry"), consumer.post(ESTIMATE, WISH)]

    assert [answer.status_code for answer in answers] == [202, 409, 200]
    assert [told(answer)[:2] for answer in answers] == [(10, 9), (10, 8), (10, 7)]


def test_reads_are_counted_apart_from_creating_calls(consumer):
    allow(consumer, creates_per_minute=1, reads_per_minute=4)
    task = consumer.generate()

    answers = [consumer.get(TASKS), consumer.get(f"{TASKS}/{task['task_id']}"), consumer.get("/v1/models")]
    answers.append(consumer.delete(f"{GENERATIONS}/{task['task_id']}"))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [told(answer)[:2] for answer in answers] == [(4, 3), (4, 2), (4, 1), (4, 0)]
    assert "4 calls that read or cancel in any minute" in too_often(consumer.get(TASKS))
    too_often(consumer.post(ESTIMATE, WISH))


def test_a_key_without_limits_may_read_often_and_create_as_it_likes(consumer):
    assert told(consumer.get(TASKS)) == (6000, 5999, 60)
    assert told(consumer.post(ESTIMATE, WISH)) == (6000, 5999, 60)


def test_where_a_key_has_no_limit_of_its_own_the_settings_hold(consumer, settings):
    settings.CREATES_PER_MINUTE = settings.READS_PER_MINUTE = 1
    consumer.get(TASKS)
    consumer.post(ESTIMATE, WISH)

    assert "1 call that reads or cancels" in too_often(consumer.get(TASKS))
    assert "1 call that creates, retries or estimates" in too_often(consumer.post(ESTIMATE, WISH))
    allow(consumer, creates_per_minute=3)
    assert told(consumer.post(ESTIMATE, WISH))[:2] == (3, 1)


def test_the_tightest_limit_is_told(consumer):
    allow(consumer, creates_per_minute=3, creates_per_day=2)
    first = consumer.post(ESTIMATE, WISH)
    assert told(first)[:2] == (2, 1)
    consumer.post(ESTIMATE, WISH)

    answer = consumer.post(ESTIMATE, WISH)

    message = too_often(answer)
    assert "2 calls that create, retry or estimate in any 24 hours" in message
    assert "Try again in 24 hours" in message
    assert told(answer)[:2] == (2, 0)


def test_of_two_limits_with_as_much_left_the_slower_one_is_told(consumer):
    allow(consumer, creates_per_minute=2, creates_per_day=2)

    assert told(consumer.post(ESTIMATE, WISH)) == (2, 1, rates.DAY)


def test_a_refusal_tells_of_the_limit_that_is_reached(consumer):
    allow(consumer, creates_per_minute=1, creates_per_day=5)
    consumer.post(ESTIMATE, WISH)

    answer = consumer.post(ESTIMATE, WISH)

    assert "1 call that creates, retries or estimates in any minute" in too_often(answer)
    assert told(answer)[:2] == (1, 0)


def test_where_two_limits_are_reached_the_one_that_lasts_longer_is_told(consumer):
    allow(consumer, creates_per_minute=1, creates_per_day=1)
    consumer.post(ESTIMATE, WISH)

    assert "in any 24 hours" in too_often(consumer.post(ESTIMATE, WISH))


def test_every_answer_tells_the_limit_whatever_it_is(consumer, monkeypatch):
    allow(consumer, creates_per_minute=100)
    task = consumer.generate()
    over = end(consumer.generate()["task_id"], "cancelled").pk  # one that waits tells a later end every second
    etag = consumer.get(f"{TASKS}/{over}").headers["ETag"]
    monkeypatch.setattr("videos.views.offers", lambda: 1 / 0)

    answers = {
        304: consumer.get(f"{TASKS}/{over}", **{"If-None-Match": etag}),
        400: consumer.post(GENERATIONS, {}),
        404: consumer.get(f"{TASKS}/unknown"),
        405: consumer.http.put(TASKS),
        409: consumer.post(f"{GENERATIONS}/{task['task_id']}/retry"),
        415: consumer.http.post(GENERATIONS, "x", content_type="text/plain"),
        500: consumer.get("/v1/models"),
    }

    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    assert all(None not in told(answer) for answer in answers.values())


def test_the_reset_is_in_whole_seconds_until_one_place_more_is_free(consumer):
    allow(consumer, creates_per_minute=2)

    assert told(consumer.post(ESTIMATE, WISH)) == (2, 1, 60)


def test_who_is_not_let_in_uses_up_no_call(consumer):
    allow(consumer, reads_per_minute=2, ip_ranges=["10.0.0.0/8"])
    for _ in range(3):
        answer = consumer.get(TASKS)
        assert "127.0.0.1" in refused(answer, 403, "ip_not_allowed")
    allow(consumer, ip_ranges=[], enabled=False)
    refused(consumer.get(TASKS), 401, "api_key_disabled")
    allow(consumer, enabled=True)

    assert told(consumer.get(TASKS))[:2] == (2, 1)


def test_the_address_of_a_caller_behind_our_proxy_is_its_own(consumer, settings):
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    allow(consumer, ip_ranges=["203.0.113.0/24"])

    assert consumer.get(TASKS, **{"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    refused(consumer.get(TASKS, **{"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}), 403, "ip_not_allowed")


def test_a_call_that_comes_a_moment_too_early_waits_for_its_place(consumer, monkeypatch):
    monkeypatch.setattr(rates, "MINUTE", rates.PATIENCE)  # the next place is never further away than anyone waits
    allow(consumer, reads_per_minute=1)
    began = time.monotonic()

    assert [consumer.get(TASKS).status_code for _ in range(3)] == [200] * 3

    assert time.monotonic() - began >= 2 * rates.PATIENCE


def test_with_redis_away_calls_are_served_uncounted_and_the_log_says_it_once(consumer, own_valkey, settings, caplog):
    settings.LIMITS_FAIL_OPEN = True
    allow(consumer, reads_per_minute=1)
    own_valkey.stop()

    answers = [consumer.get(TASKS) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert told(answers[0]) == (None, None, None)
    told_of = [line for line in caplog.records if "redis away" in line.getMessage()]
    assert [line.levelname for line in told_of] == ["WARNING"]


def test_with_redis_away_calls_are_refused_when_limits_fail_closed(consumer, own_valkey, settings):
    settings.LIMITS_FAIL_OPEN = False
    own_valkey.stop()

    for _ in range(3):
        answer = consumer.get(TASKS)
        refused(answer, 503, "overloaded")
        assert int(answer.headers["Retry-After"]) > 0


def test_once_redis_is_back_calls_are_counted_again(consumer, own_valkey, settings, monkeypatch):
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 0)
    settings.LIMITS_FAIL_OPEN = False
    allow(consumer, reads_per_minute=3)
    consumer.get(TASKS)
    own_valkey.stop()
    refused(consumer.get(TASKS), 503, "overloaded")
    own_valkey.start()

    assert told(consumer.get(TASKS))[:2] == (3, 1)


def test_a_redis_that_hangs_delays_one_call_and_not_the_next(consumer, own_valkey, settings, monkeypatch):
    settings.LIMITS_FAIL_OPEN = True
    monkeypatch.setattr(rates, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    consumer.get(TASKS)
    redis.Redis.from_url(own_valkey.url).client_pause(60_000)

    took = []
    for _ in range(4):
        began = time.monotonic()
        assert consumer.get(TASKS).status_code == 200
        took.append(time.monotonic() - began)

    assert took[0] < 2 * rates.ANSWER_SECONDS  # a call that hung is not tried again
    assert sum(took[1:]) < rates.ANSWER_SECONDS


def create(consumer, name):
    return consumer.post(GENERATIONS, WISH, **{"Idempotency-Key": name})


def test_a_replay_is_answered_and_not_counted_when_no_call_is_left(consumer):
    allow(consumer, creates_per_minute=1)
    first = create(consumer, "k")

    again = [create(consumer, "k") for _ in range(3)]

    assert {(answer.status_code, answer.headers.get("Idempotent-Replayed"), answer.content) for answer in again} == {
        (202, "true", first.content)
    }
    assert [told(answer)[:2] for answer in again] == [(1, 0)] * 3
    assert "Retry-After" not in again[0].headers


def test_a_call_that_is_no_replay_is_refused_with_the_header_too(consumer):
    allow(consumer, creates_per_minute=1)
    create(consumer, "k")

    too_often(create(consumer, "another"))
    too_often(consumer.post(ESTIMATE, WISH, **{"Idempotency-Key": "k"}))
    refused(
        consumer.post(GENERATIONS, WISH | {"prompt": "a dog"}, **{"Idempotency-Key": "k"}), 409, "idempotency_conflict", "Idempotency-Key"
    )
    assert len(consumer.get(TASKS).json()["data"]) == 1


def test_a_replay_is_answered_while_redis_is_away_and_limits_fail_closed(consumer, own_valkey, settings):
    settings.LIMITS_FAIL_OPEN = False
    first = create(consumer, "k")
    own_valkey.stop()

    assert create(consumer, "k").content == first.content
    refused(create(consumer, "another"), 503, "overloaded")


def test_a_call_without_a_key_tells_no_limit(db):
    assert told(Client().get(TASKS)) == (None, None, None)
