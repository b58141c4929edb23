"""Whole months of a span are read as such: they come to what their days come to."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from conduit import clock
from conduit.rollups.steps import in_months
from keys import budget_owners, rollups
from keys.rollup_models import MoneyOfDay, MoneyOfMonth
from keys.services import change_key
from tests.keys.test_migrations import migrate
from tests.support.ending import end
from tests.support.planned_clips import planned_clip
from tests.support.rolling import roll_up
from videos.money import Wanted, lines
from videos.rollup_models import BilledOfDay, BilledOfModel, BilledOfMonth
from videos.rollups import bills_by, bills_of_days, bills_of_days_by_months

TODAY = date(2026, 11, 29)
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def day(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


@pytest.mark.parametrize(
    ("first", "last", "months", "rest"),
    [
        ("11-01", "11-29", ["11-01"], []),  # the month that runs, until today
        ("11-01", "12-05", ["11-01"], [("12-01", "12-05")]),
        ("11-01", "11-28", [], [("11-01", "11-28")]),  # today is left out
        ("10-30", "11-29", ["11-01"], [("10-30", "10-31")]),
        ("01-01", "11-29", [f"{month:02}-01" for month in range(1, 12)], []),
        ("02-02", "05-30", ["03-01", "04-01"], [("02-02", "02-28"), ("05-01", "05-30")]),
        ("03-03", "03-03", [], [("03-03", "03-03")]),
        ("11-29", "11-29", [], [("11-29", "11-29")]),
    ],
)
def test_a_span_of_days_is_its_months_and_what_is_left_of_others(first, last, months, rest):
    found = in_months(day(first), day(last), TODAY)

    assert list(found.months) == [day(one) for one in months]
    assert [(start, min(end, day(last))) for start, end in found.rest] == [(day(start), day(end)) for start, end in rest]


@pytest.fixture
def spent(make_consumer, time_travel):
    """Two keys, one of a team, with a video each on days of five months; MiniMax bills for some of them."""
    ann, bob = make_consumer("ann"), make_consumer("bob")
    change_key(ann.key, who="root", team=budget_owners.create_team(name="film", who="root"))
    for number, moment in enumerate(("2026-07-31T23:59:59", "2026-08-01T00:00:00", "2026-09-15T12:00:00", "2026-10-31T12:00:00")):
        time_travel.move_to(moment)
        for one in (ann, bob)[: 1 + number % 2]:
            task = end(one.generate(duration=3 + number)["task_id"], "completed" if number % 3 else "failed")
            planned_clip(task.pk, state="submitted", billed=Decimal("0.43"), provider_task_id="7", submitted_at=clock.now())
        roll_up()
    time_travel.move_to("2026-11-29T12:00:00")
    end(bob.generate()["task_id"], "completed")
    roll_up()
    return ann, bob


SPANS = [("01-01", "11-29"), ("07-31", "10-31"), ("08-02", "11-29"), ("08-01", "08-31"), ("08-02", "08-30")]


def test_money_of_months_is_that_of_their_days(spent):
    ann, bob = spent
    for first, last in SPANS:
        days = day(first), day(last)
        for wanted in ({}, {"key_id": ann.key.pk}, {"team_id": 0}, {"model": "minimax-video"}):
            for by in (rollups.by_key, rollups.by_team, rollups.by_model):
                assert by(*rollups.of_days_by_months(*days, **wanted)) == by(rollups.of_days(*days, **wanted))
        assert bills_by(bills_of_days_by_months(*days), "key_id") == {
            of: bill for one in (ann, bob) for of, bill in bills_by(bills_of_days(*days, key_id=one.key.pk), "key_id").items()
        }
        assert [line.money for line in lines(Wanted(*days), "model")] == [share.money for share in rollups.by_model(rollups.of_days(*days))]


def test_a_year_of_all_keys_reads_no_days(spent):
    with CaptureQueriesContext(connection) as asked:
        lines(Wanted(day("01-01"), TODAY), "key")

    assert not [query["sql"] for query in asked if "ofday" in query["sql"]]


def test_counting_anew_counts_months_too(spent):
    wanted = Wanted(day("01-01"), TODAY)
    before = lines(wanted, "key"), lines(wanted, "model"), bills_by(bills_of_days(day("01-01"), TODAY), "day", "model")
    MoneyOfMonth.objects.update(charged=F("charged") + 7)
    BilledOfMonth.objects.all().delete()
    BilledOfModel.objects.update(jobs=9)

    call_command("rebuild_rollups")

    assert (lines(wanted, "key"), lines(wanted, "model"), bills_by(bills_of_days(day("01-01"), TODAY), "day", "model")) == before


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.soak  # as what else earlier versions wrote
def test_what_was_counted_before_there_were_months_is_in_them(make_consumer):
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    earlier = migrate(("keys", "0014_alerts_of_lately"), ("videos", "0013_bills_of_minimax"))
    money, bill = earlier.get_model("keys", "MoneyOfDay"), earlier.get_model("videos", "BilledOfDay")
    for at in (day("08-01"), day("08-31"), day("09-01")):
        money.objects.create(day=at, key_id=1, model="m", tasks=2, charged=Decimal("0.4"))
        for key_id in (1, 2):
            bill.objects.create(day=at, key_id=key_id, model="m", upstream="u", jobs=1, billed=Decimal("0.19"))

    migrate(*leaves)

    assert list(MoneyOfMonth.objects.order_by("month").values_list("month", "tasks", "charged")) == [
        (day("08-01"), 4, Decimal("0.8")),
        (day("09-01"), 2, Decimal("0.4")),
    ]
    assert list(BilledOfMonth.objects.filter(key_id=2).order_by("month").values_list("month", "jobs", "billed")) == [
        (day("08-01"), 2, Decimal("0.38")),
        (day("09-01"), 1, Decimal("0.19")),
    ]
    assert list(BilledOfModel.objects.order_by("day").values_list("jobs", "billed")) == 3 * [(2, Decimal("0.38"))]
    for table in (MoneyOfDay, MoneyOfMonth, BilledOfDay, BilledOfMonth, BilledOfModel):
        table.objects.all().delete()
