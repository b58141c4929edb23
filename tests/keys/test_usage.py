"""GET /v1/usage"""

import csv
from decimal import Decimal
from io import StringIO

import pytest

from keys import ledger
from keys.models import UsageCost
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.holds import hold
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

NOON = "2026-06-10T12:00:00Z"


@pytest.fixture
def month(consumer, time_travel):
    """Three days of work: made and cancelled, made over midnight, failed, and one under way."""
    time_travel.move_to("2026-06-08T23:00:00Z", tick=False)
    late = consumer.generate()["task_id"]
    cancelled = consumer.generate(model="video-01")["task_id"]
    end(cancelled, "cancelled")
    time_travel.move_to("2026-06-09T01:00:00Z", tick=False)
    end(late, "completed")
    end(consumer.generate(resolution="1920x1080")["task_id"], "failed")
    time_travel.move_to(NOON, tick=False)
    consumer.generate(duration=12)
    return consumer


def usage(consumer, **query):
    answer = consumer.http.get("/v1/usage", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def amounts(row):
    return row["tasks"], row["estimated"], row["charged"], row["released"]


def test_usage_is_told_by_day_when_nothing_else_is_asked(month):
    found = usage(month)

    assert (found["object"], found["group_by"], found["currency"]) == ("usage", "day", "USD")
    assert (found["from"], found["to"]) == ("2026-05-11T00:00:00.000Z", "2026-06-10T12:00:00.000Z")
    # The task under way was created at this very moment, which is the end of the span.
    assert [(row["day"], *amounts(row)) for row in found["data"]] == [
        ("2026-06-08", 2, "0.4000", "0.0000", "0.2000"),
        ("2026-06-09", 1, "0.3000", "0.2000", "0.3000"),
    ]


def test_usage_by_model_goes_by_the_name_that_was_asked_for(month):
    found = usage(month, group_by="model", to="2026-06-10")

    assert [(row["model"], *amounts(row)) for row in found["data"]] == [
        ("minimax-video", 3, "0.9000", "0.2000", "0.3000"),
        ("video-01", 1, "0.2000", "0.0000", "0.2000"),
    ]


def test_usage_by_status_is_that_of_the_tasks(month):
    found = usage(month, group_by="status", to="2026-06-10")

    assert {row["status"]: amounts(row) for row in found["data"]} == {
        "completed": (1, "0.2000", "0.2000", "0.0000"),
        "cancelled": (1, "0.2000", "0.0000", "0.2000"),
        "failed": (1, "0.3000", "0.0000", "0.3000"),
        "queued": (1, "0.4000", "0.0000", "0.0000"),
    }


@pytest.mark.parametrize("group_by", ["day", "model", "status"])
def test_the_total_is_the_same_however_it_is_grouped(month, group_by):
    total = usage(month, group_by=group_by, to="2026-06-10")["total"]

    assert amounts(total) == (4, "1.1000", "0.2000", "0.5000")


def test_what_an_administrator_corrects_is_told_beside_what_tasks_cost(month):
    task_id = str(month.key.tasks.get(status="completed").pk)
    ledger.refund(task_id=task_id, who="root", why="blurred", amount=Decimal("0.05"))
    ledger.credit(key=month.key, amount=Decimal(1), who="root", why="welcome")
    ledger.adjust(key=month.key, amount=Decimal("-0.1"), who="root", why="rounding")

    found = usage(month, group_by="status", to="2026-06-10")

    by_status = {row["status"]: row for row in found["data"]}
    assert by_status["completed"]["refunded"] == "0.0500"
    assert (by_status[None]["credited"], by_status[None]["adjusted"]) == ("1.0000", "-0.1000")
    assert (found["total"]["refunded"], found["total"]["credited"], found["total"]["adjusted"]) == ("0.0500", "1.0000", "-0.1000")


def test_a_refund_is_taken_off_what_a_task_cost_here_while_the_task_keeps_what_it_was_charged(month):
    task_id = str(month.key.tasks.get(status="completed").pk)
    ledger.refund(task_id=task_id, who="root", why="blurred", amount=Decimal("0.05"))

    found = usage(month, to="2026-06-10")

    assert (found["total"]["charged"], found["total"]["refunded"], found["total"]["net"]) == ("0.2000", "0.0500", "0.1500")
    assert sum(Decimal(row["net"]) for row in found["data"]) == Decimal("0.15")
    assert month.task(task_id)["cost"] == {"estimated": "0.2000", "held": "0.0000", "charged": "0.2000", "currency": "USD"}


def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(month):
    def tasks(start, end):
        return usage(month, **{"from": start, "to": end})["total"]["tasks"]

    assert tasks("2026-06-08T23:00:00Z", "2026-06-09T01:00:00Z") == 2
    assert tasks("2026-06-08T23:00:00.001Z", "2026-06-09T01:00:00Z") == 0
    assert tasks("2026-06-08T23:00:00Z", "2026-06-09T01:00:00.001Z") == 3


def test_a_span_of_days_holds_the_whole_of_its_last_one(month):
    found = usage(month, **{"from": "2026-06-09", "to": "2026-06-09"})

    assert (found["from"], found["to"]) == ("2026-06-09T00:00:00.000Z", "2026-06-10T00:00:00.000Z")
    assert [row["day"] for row in found["data"]] == ["2026-06-09"]


def test_no_usage_is_an_empty_list_and_a_total_of_zero(consumer):
    found = usage(consumer)

    assert found["data"] == []
    assert amounts(found["total"]) == (0, "0.0000", "0.0000", "0.0000")


def test_a_key_sees_only_its_own_usage(month, make_consumer):
    assert usage(make_consumer("bob"), to="2026-06-10")["data"] == []


def table(answer):
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "Accept" in answer.headers["Vary"]
    return list(csv.reader(StringIO(answer.content.decode())))


def test_usage_is_csv_when_format_says_so(month):
    answer = month.get("/v1/usage?format=csv&group_by=model&to=2026-06-10")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="usage.csv"'
    assert table(answer) == [
        ["model", "tasks", "estimated", "charged", "released", "refunded", "credited", "adjusted", "net", "currency"],
        ["minimax-video", "3", "0.9000", "0.2000", "0.3000", "0.0000", "0.0000", "0.0000", "0.2000", "USD"],
        ["video-01", "1", "0.2000", "0.0000", "0.2000", "0.0000", "0.0000", "0.0000", "0.0000", "USD"],
    ]


@pytest.mark.parametrize("accept", ["text/csv", "text/csv, application/json;q=0.5"])
def test_usage_is_csv_when_that_is_accepted_most(month, accept):
    assert table(month.get("/v1/usage?to=2026-06-09", Accept=accept))[1][:2] == ["2026-06-08", "2"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/csv;q=0.5", "text/html"])
def test_usage_is_json_otherwise(month, accept):
    answer = month.get("/v1/usage", Accept=accept)

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["object"] == "usage"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", " =", "\t", "\r", "\n"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(consumer, start):
    UsageCost.objects.create(key=consumer.key, entry="credit", amount=1, model=f"{start}1+1")

    [line] = table(consumer.get("/v1/usage?format=csv&group_by=model"))[1:]

    assert line[0] == f"'{start}1+1"


def test_format_decides_over_accept(month):
    assert month.get("/v1/usage?format=json", Accept="text/csv").json()["object"] == "usage"


def test_a_name_that_a_spreadsheet_would_run_is_text_in_csv(consumer):
    from tasks.ids import new_task_id

    hold(key=consumer.key, task_id=new_task_id(), task_kind="x", model="=1+1", amount=Decimal(1))
    ledger.adjust(key=consumer.key, amount=Decimal("-0.1"), who="root", why="rounding")

    rows = table(consumer.get("/v1/usage?format=csv&group_by=model"))

    assert rows[1][0] == ""
    assert rows[1][7] == "-0.1000"
    assert rows[2][0] == "'=1+1"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=week", "group_by"),
        ("group_by=key", "group_by"),
        ("group_by=", "group_by"),
        ("from=yesterday", "from"),
        ("from=20260601", "from"),
        ("to=2026-06-09T12", "to"),
        ("since=2026-06-01", "since"),
        ("From=2026-06-01", "From"),
        ("from=2026-06-01&from=2026-06-02", "from"),
        ("key=1", "key"),
        ("from=", "from"),
        ("to=2026-02-30", "to"),
        ("to=9999-12-31", "to"),
        ("from=2026-06-10&to=2026-06-09", "from"),
        ("from=2026-06-10T00:00:00Z&to=2026-06-10T00:00:00Z", "from"),
        ("from=2020-01-01&to=2026-01-01", "from"),
        ("from=2999-01-01", "from"),
        ("format=xml", "format"),
    ],
)
def test_a_bad_query_is_400_and_names_the_parameter(consumer, query, param):
    assert f"`{param}`" in refused(consumer.get(f"/v1/usage?{query}"), 400, "invalid_request", param)


@pytest.mark.parametrize("query", ["to=0001-01-01", "to=0001-01-05T00:00:00Z", "from=9999-12-31T23:59:59Z&to=9999-12-31T23:59:59.5Z"])
def test_the_ends_of_time_are_no_crash(consumer, query):
    assert usage_status(consumer, query) in (200, 400)


def usage_status(consumer, query):
    return consumer.get(f"/v1/usage?{query}").status_code


@pytest.mark.parametrize("group_by", ["day", "model", "status"])
def test_usage_costs_two_queries_however_much_there_is(month, django_assert_num_queries, group_by):
    with django_assert_num_queries(2):
        usage(month, group_by=group_by)


def test_usage_needs_a_key(client):
    refused(client.get("/v1/usage"), 401, "invalid_api_key")


def test_days_are_those_of_the_time_zone_that_is_asked_for(month):
    found = usage(month, time_zone="Europe/Berlin", to="2026-06-10")

    # Half past eleven in the evening of the 8th in UTC is the 9th in Berlin.
    assert [(row["day"], row["tasks"]) for row in found["data"]] == [("2026-06-09", 3), ("2026-06-10", 1)]
    assert (found["time_zone"], found["to"]) == ("Europe/Berlin", "2026-06-10T22:00:00.000Z")
    assert usage(month)["time_zone"] == "UTC"
    assert found["from"] == "2026-05-11T22:00:00.000Z"


def test_a_day_of_a_zone_whose_clocks_change_has_its_own_length(consumer):
    found = usage(consumer, time_zone="Europe/Berlin", **{"from": "2026-03-29", "to": "2026-03-29"})

    assert (found["from"], found["to"]) == ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z")


def test_csv_begins_with_the_mark_that_spreadsheets_want_when_it_is_asked_for(month):
    plain, marked = (month.http.get("/v1/usage", {"format": "csv"} | more).content for more in ({}, {"bom": "1"}))

    assert marked == b"\xef\xbb\xbf" + plain


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("time_zone=Mars", "time_zone"),
        ("time_zone=", "time_zone"),
        ("time_zone=../x", "time_zone"),
        ("bom=1", "bom"),
        ("format=csv&bom=2", "bom"),
    ],
)
def test_a_zone_or_mark_that_there_is_not_is_refused(consumer, query, param):
    refused(consumer.get(f"/v1/usage?{query}"), 400, "invalid_request", param)
