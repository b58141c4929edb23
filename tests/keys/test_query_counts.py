"""What the dearest create costs the database."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys import budget_owners
from keys.models import BudgetAlert
from keys.services import change_key
from videos import kept_catalogue

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]

# PostgreSQL says by a version that the catalogue that a process keeps is current; on SQLite it is read each time, in two queries.
QUERIES_MAX = 13 if connection.vendor == "postgresql" else 15


@pytest.mark.parametrize("zones", [("UTC",), ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/Lima")])
def test_a_create_with_an_idempotency_key_every_limit_and_alerts_takes_no_more_queries_than_it_must(consumer, zones):
    budgets = [{"period": period, "time_zone": zone, "amount": Decimal("0.2")} for period in ("daily", "monthly") for zone in zones]
    team = budget_owners.create_team(name="film", budgets=budgets, who="root")
    budget_owners.set_budgets(consumer.key, budgets, who="root")
    change_key(consumer.key, who="root", team=team, creates_per_day=9, tasks_in_flight=9, tasks_per_hour=9, model_names=["video-01"])

    kept_catalogue.at(kept_catalogue.state().version)

    with CaptureQueriesContext(connection) as queries:
        answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}, **{"Idempotency-Key": "k"})

    assert answer.status_code == 202
    assert BudgetAlert.objects.count() == 3 * 2 * len(budgets)
    asked = [query["sql"][:60] for query in queries if not query["sql"].startswith(("BEGIN", "COMMIT"))]
    assert len(asked) <= QUERIES_MAX, asked
