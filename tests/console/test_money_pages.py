"""Money: what was charged and what MiniMax bills, by day, key, team and model, each number a way to what it counts, and as CSV."""

import csv
import re
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from conduit import clock
from conduit.console.money.wanted import asked
from keys import budget_owners, corrections
from keys.services import change_key
from tests.support.ending import end
from tests.support.planned_clips import planned_clip
from tests.support.rolling import roll_up

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def spent(make_consumer):
    """Ann of a team completed two videos and had one refunded, Bob's failed; MiniMax bills for Ann's."""
    ann, bob = make_consumer("ann"), make_consumer("=bob")
    change_key(ann.key, who="root", team=budget_owners.create_team(name="film", who="root"))
    done = [end(ann.generate()["task_id"], "completed") for _ in range(2)]
    now = clock.now()
    for task in done:
        planned_clip(task.pk, state="submitted", billed=Decimal("0.43"), provider_task_id="7", sent_at=now, submitted_at=now)
    corrections.correct(entry="refund", key=ann.key, task_id=done[0].pk, amount=Decimal("0.05"), who="root", why="blurred")
    end(bob.generate(duration=3)["task_id"], "failed")
    roll_up()
    return ann, bob


def table(text):
    """The words of each row's cells, the sum's last."""
    body = text.partition("<tbody>")[2].partition("</table>")[0]
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", unescape(cell)).split()) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)]
        for row in body.split("<tr>")[1:]
    ]


ANN = ["2", "0.4000 USD", "0", "0.0500 USD", "0.8600 USD", "▼ -0.5100 USD -146 %"]
BOB = ["1", "0", "0.1000 USD", "0", "0", "0"]
ALL = ["3", "0.4000 USD", "0.1000 USD", "0.0500 USD", "0.8600 USD", "▼ -0.5100 USD -146 %"]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("span=today", [["today", *ALL], ["All", *ALL]]),
        ("by=key", [["ann", *ANN], ["=bob", *BOB], ["All", *ALL]]),
        ("by=team", [["film", *ANN], ["no team", *BOB], ["All", *ALL]]),
        ("by=model", [["minimax-video", *ALL], ["All", *ALL]]),
    ],
)
def test_money_is_summed_by_day_key_team_and_model(page, spent, query, rows):
    assert [[row[0].replace(f"{clock.now():%Y-%m-%d}", "today"), *row[1:]] for row in table(page(f"money/?{query}"))] == rows


def test_one_key_s_money_of_this_month_is_two_clicks_from_the_first_page(page, spent):
    keys = page("keys/")
    [address] = set(re.findall(rf'href="/admin/(money/\?key={spent[0].key.pk})"', keys))

    text = page(address)

    assert table(text)[-1] == ["All", *ANN]
    assert len(table(text)) == clock.now().day + 1
    assert "key <a" in text


def test_every_number_leads_to_what_it_counts(admin, page, spent):
    text = page(f"money/?by=key&key={spent[0].key.pk}")
    tasks, charged, refunded, billed = [unescape(address) for address in re.findall(r'<td class="number"><a href="([^"]*)"', text)][:4]

    assert re.search(r"/admin/tasks/\S*\?q=key%3A\d+\+created%3A", tasks)
    assert billed == tasks
    assert [row.entry for row in admin.get(charged).context["cl"].result_list] == ["capture", "capture"]
    assert admin.get(refunded).context["cl"].result_count == 1


def test_the_days_are_a_chart_with_its_words(page, spent):
    text = page("money/?span=7d")

    assert text.count('<rect class="charged"') == 7
    assert f"<title>{clock.now():%Y-%m-%d}: 0.3500 USD charged, MiniMax bills 0.8600 USD</title>" in text
    assert 'role="img" aria-label="USD charged' in text


def test_the_same_is_a_file_in_which_no_name_is_a_formula(admin, spent):
    answer = admin.get("/admin/money/csv/?by=key")
    lines = list(csv.reader(b"".join(answer.streaming_content).decode().splitlines()))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.search(r'attachment; filename="money-by-key-\d{4}-\d\d-01-', answer.headers["Content-Disposition"])
    assert lines[0][:4] == ["key_id", "key", "tasks", "held"]
    assert lines[0][-4:] == ["net", "billed", "margin", "currency"]
    assert [line[1] for line in lines[1:]] == ["ann", "'=bob"]
    assert lines[1][-4:] == ["0.3500", "0.8600", "-0.5100", "USD"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-02-30&to=2026-03-01", "Both days are needed"),
        ("from=2026-03-02&to=2026-03-01", "The first day comes after the last"),
        ("from=2020-01-01&to=2026-03-01", "At most 366 days"),
        ("from=9999-99-99&to=%00", "Both days are needed"),
    ],
)
def test_days_that_mean_nothing_are_told(page, query, words):
    assert words in page(f"money/?{query}")


def test_spans_have_their_days(db, time_travel):
    time_travel.move_to("2028-02-29T12:00:00")
    spans = {"today": 1, "7d": 7, "30d": 30, "month": 29, "last-month": 31, "year": 60}

    for span, days in spans.items():
        assert len(asked(RequestFactory().get("/", {"span": span})).wanted.days) == days, span


def test_what_is_billed_for_a_task_of_the_day_before_is_not_left_out(page, consumer, time_travel):
    yesterday = clock.now() - timedelta(days=1)
    task_id = consumer.generate()["task_id"]
    planned_clip(task_id, state="submitted", billed=Decimal("0.43"), provider_task_id="7", sent_at=yesterday, submitted_at=yesterday)
    roll_up()

    text = page(f"money/?by=key&from={yesterday:%Y-%m-%d}&to={yesterday:%Y-%m-%d}")

    assert table(text)[0] == ["somebody", "0", "0", "0", "0", "0.4300 USD", "▼ -0.4300 USD"]


@pytest.mark.parametrize(("by", "most"), [("day", 10), ("key", 13), ("team", 13), ("model", 11)])
def test_a_page_costs_a_dozen_queries_however_many_keys_there_are(admin, spent, by, most):
    with CaptureQueriesContext(connection) as queries:
        answer = admin.get(f"/admin/money/?by={by}")

    assert (answer.status_code, len(queries) <= most) == (200, True), [query["sql"][:90] for query in queries]


def test_who_may_not_see_costs_sees_no_money(db, django_user_model):
    staff = django_user_model.objects.create_user("sam", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_virtualkey"))
    client = Client()
    client.force_login(staff)

    assert [client.get(f"/admin/money/{path}").status_code for path in ("", "csv/")] == [403, 403]
