"""What a key pays as a multiple of the list price: its own factor, else its team's, else 1."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from keys import budget_owners
from keys.models import AuditEntry, Team, VirtualKey
from keys.services import change_key
from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from videos.models import VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

ESTIMATE = "/v1/video/generations/estimate"
GOOD = {"model": "minimax-video", "prompt": "a cat"}


def estimated(consumer, **wanted):
    shown = consumer.post(ESTIMATE, GOOD | wanted).json()
    return shown["price_factor"], shown["cost"]["estimated"]


@pytest.mark.parametrize(
    ("of_key", "of_team", "factor", "price"),
    [(None, None, "1", "0.2000"), (None, "0.5", "0.5", "0.1000"), ("1.25", "0.5", "1.25", "0.2500"), ("2", None, "2", "0.4000")],
)
def test_a_key_pays_by_its_own_factor_else_by_its_teams_else_the_list_price(consumer, of_key, of_team, factor, price):
    team = budget_owners.create_team(name="film", who="root", price_factor=of_team and Decimal(of_team))
    change_key(consumer.key, who="root", team=team, price_factor=of_key and Decimal(of_key))

    assert estimated(consumer) == (factor, price)
    assert consumer.generate()["cost"]["estimated"] == price
    assert consumer.get("/v1/key").json()["limits"]["price_factor"] == factor
    assert {model["price"]["price_factor"] for model in consumer.get("/v1/models").json()["data"]} == {factor}
    assert str(Task.objects.get().price_factor.normalize()) == factor


@pytest.mark.parametrize(("seconds", "factor", "price"), [(1, "1.5", "0.0500"), (1, "0.0005", "0.0000"), (5, "0.3333", "0.0556")])
def test_a_price_is_rounded_once_after_the_factor(consumer, seconds, factor, price):
    change_key(consumer.key, who="root", price_factor=Decimal(factor))

    if price == "0.0000":
        refused(consumer.post(ESTIMATE, GOOD | {"duration": seconds}), 400, "invalid_request", "model")
    else:
        assert estimated(consumer, duration=seconds)[1] == price


def test_a_task_keeps_the_factor_of_its_creation_and_a_retry_pays_by_todays(consumer):
    change_key(consumer.key, who="root", price_factor=Decimal(2))
    failed = consumer.generate()["task_id"]
    change_key(consumer.key, who="root", price_factor=Decimal("0.5"))

    end(failed, "failed")
    again = consumer.post(f"/v1/video/generations/{failed}/retry").json()

    assert consumer.task(failed)["cost"]["estimated"] == "0.4000"
    assert again["cost"]["estimated"] == "0.1000"
    assert list(Task.objects.order_by("pk").values_list("price_factor", flat=True)) == [2, Decimal("0.5")]


def test_a_highest_price_is_compared_with_what_the_key_pays(consumer):
    change_key(consumer.key, who="root", price_factor=Decimal("0.5"), highest_price=Decimal("0.1"))

    assert consumer.post(ESTIMATE, GOOD).status_code == 200


def test_the_dearest_request_at_the_highest_factor_still_fits_its_columns(consumer):
    VideoModel.objects.filter(name="video-01").update(base_price=1000)
    VideoModel.objects.get(name="video-01").factors.update(factor=100)
    change_key(consumer.key, who="root", price_factor=Decimal(50))

    assert consumer.generate(duration=60)["cost"]["held"] == "50000000.0000"


def test_the_management_api_changes_factors_of_keys_and_teams_with_the_scope_money_and_an_audit(consumer):
    money, keys = make_manager(scopes=["read", "money"]), make_manager(scopes=["read", "keys"])
    team = budget_owners.create_team(name="film", who="root")

    for path, body in ((f"keys/{consumer.key.pk}", {"limits": {"price_factor": "0.8"}}), (f"teams/{team.pk}", {"price_factor": 1.5})):
        refused(keys("PATCH", path, body), 403, "scope_not_allowed")
        assert money("PATCH", path, body).status_code == 200

    assert money("GET", f"keys/{consumer.key.pk}").json()["limits"]["price_factor"] == "0.8"
    assert money("GET", f"teams/{team.pk}").json()["price_factor"] == "1.5"
    changes = [(row.target.partition(":")[0], row.changes) for row in AuditEntry.objects.filter(action="change").order_by("pk")]
    assert changes == [("key", {"price_factor": [None, "0.8000"]}), ("team", {"price_factor": [None, "1.5000"]})]
    assert money("PATCH", f"keys/{consumer.key.pk}", {"limits": {"price_factor": None}}).json()["limits"]["price_factor"] is None


@pytest.mark.parametrize("model", [VirtualKey, Team])
@pytest.mark.parametrize("factor", [0, -1, 51])
def test_the_database_takes_no_factor_out_of_bounds(consumer, model, factor):
    row = consumer.key if model is VirtualKey else Team.objects.create(name="film")

    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.filter(pk=row.pk).update(price_factor=factor)
