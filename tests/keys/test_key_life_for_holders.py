"""GET /v1/key"""

from datetime import timedelta
from decimal import Decimal

import pytest

from conduit import clock
from keys import budget_owners
from keys.services import change_key
from tests.support.ending import end
from tests.support.envelopes import refused

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def read(consumer):
    answer = consumer.get("/v1/key")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_key_without_limits_says_so(consumer):
    shown = read(consumer)

    assert (shown["object"], shown["name"], shown["team"], shown["expires_at"]) == ("key", "somebody", None, None)
    assert shown["limits"] == {
        "creates_per_minute": 6000,
        "creates_per_day": None,
        "reads_per_minute": 6000,
        "tasks_in_flight": None,
        "over_limit": "refuse",
        "queue_max": None,
        "tasks_per_hour": None,
        "longest_seconds": None,
        "largest_resolution": None,
        "highest_price": None,
        "price_factor": "1",
        "weight": 1,
        "models": [],
        "ip_ranges": [],
        "results_kept_days": None,
        "prompts_kept_days": None,
    }
    assert (shown["in_flight"], shown["budgets"], shown["currency"]) == (0, [], "USD")


def test_a_key_shows_each_of_its_limits_and_its_end(consumer):
    limits = {"creates_per_minute": 60, "reads_per_minute": 300, "largest_resolution": "1280x720", "highest_price": Decimal("0.5")}
    expires_at = clock.now().replace(microsecond=0) + timedelta(days=1)
    change_key(consumer.key, who="root", model_names=["minimax-video"], expires_at=expires_at, **limits)

    shown = read(consumer)

    assert shown["limits"] | {"highest_price": "0.5000", "models": ["minimax-video"]} == shown["limits"]
    assert (shown["limits"]["creates_per_minute"], shown["limits"]["reads_per_minute"]) == (60, 300)
    assert shown["limits"]["largest_resolution"] == "1280x720"
    assert shown["expires_at"] == expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_key_tells_what_is_left_of_its_budgets_and_its_teams_and_when_they_reset(consumer, time_travel):
    time_travel.move_to("2026-06-10T12:00:00Z", tick=False)
    team = budget_owners.create_team(name="film", budgets=[{"period": "monthly", "amount": Decimal(10)}], who="root")
    change_key(consumer.key, who="root", team=team)
    budget_owners.set_budgets(
        consumer.key,
        [
            {"period": "daily", "amount": Decimal(1), "time_zone": "Europe/Berlin"},
            {"period": "total", "amount": Decimal(5), "raised_to": Decimal(6), "raised_until": clock.now() + timedelta(days=1)},
        ],
        who="root",
    )
    consumer.generate()
    end(consumer.generate()["task_id"], "completed")

    shown = read(consumer)

    assert shown["team"] == "film"
    assert shown["in_flight"] == 1
    found = {budget["period"]: budget for budget in shown["budgets"]}
    assert found["monthly"] == {
        "scope": "team",
        "period": "monthly",
        "time_zone": "UTC",
        "amount": "10.0000",
        "raised_to": None,
        "raised_until": None,
        "limit": "10.0000",
        "held": "0.2000",
        "spent": "0.2000",
        "left": "9.6000",
        "starts_at": "2026-06-01T00:00:00.000Z",
        "resets_at": "2026-07-01T00:00:00.000Z",
    }
    assert (found["daily"]["scope"], found["daily"]["left"], found["daily"]["resets_at"]) == ("key", "0.6000", "2026-06-10T22:00:00.000Z")
    assert (found["total"]["limit"], found["total"]["left"], found["total"]["resets_at"]) == ("6.0000", "5.6000", None)


def test_what_is_in_flight_is_what_has_not_ended(make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    for status in ("completed", "failed", "cancelled"):
        end(ann.generate()["task_id"], status)
    ann.generate()

    assert (read(ann)["in_flight"], read(bob)["in_flight"]) == (1, 0)


def test_a_key_shows_no_secret(consumer):
    answer = consumer.get("/v1/key")

    assert consumer.secret[:12].encode() not in answer.content
    assert consumer.key.secrets.get().secret_hash.encode() not in answer.content


def test_a_key_is_read_without_query_parameters(consumer):
    assert "It takes none." in refused(consumer.get("/v1/key?expand=team"), 400, "invalid_request", "expand")


def test_reading_a_key_costs_four_queries_however_many_budgets_there_are(consumer, django_assert_num_queries):
    team = budget_owners.create_team(name="film", budgets=[{"period": "monthly", "amount": Decimal(10)}], who="root")
    change_key(consumer.key, who="root", team=team)
    budget_owners.set_budgets(
        consumer.key, [{"period": period, "amount": Decimal(1)} for period in ("daily", "weekly", "total")], who="root"
    )
    consumer.generate()

    with django_assert_num_queries(4):  # secret with key and team, in flight, budgets, counters
        assert len(read(consumer)["budgets"]) == 4
