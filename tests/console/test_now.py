"""The first page: what needs somebody, what happens and what it comes to, each figure a link to what it counts."""

import re
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from conduit import clock
from conduit.conditions.looking import look
from conduit.console.now.parts import Reader, are_for, parts, reader
from conduit.rollups.jobs import roll_up
from tasks import lifecycle, pauses
from tasks.models import Status
from tasks.search import search
from tasks.search_meaning import meaning_of
from tests.support.calling import count_call
from tests.support.ending import end

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _read_anew():
    reader._read.clear()


def staff(*rights):
    user = get_user_model().objects.create_user("sam", password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def part(text, name):
    return text.partition(f'data-now="{name}"')[2].partition("</section>")[0]


def searches(text):
    """What the links of that text look for among tasks."""
    links = re.findall(r'href="([^"]+)"', text.replace("&amp;", "&"))
    return [parse_qs(urlsplit(link).query)["q"][0] for link in links if "q=" in link]


def found(text):
    return len(search(meaning_of(text, clock.now()).wanted, after=None, limit=50).task_ids)


def words(text):
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_who_begins_reads_what_to_do_first(page):
    text = page()

    assert 'href="/admin/keys/virtualkey/add/"' in text
    assert "/v1/video/generations -H" in text
    assert "Nothing needs you." in text or "Needs you" in text


def test_with_a_task_that_is_no_longer_told(page, consumer):
    consumer.generate()

    assert "Make the first video" not in page()


def test_what_needs_somebody_comes_first_and_only_once(page, consumer):
    task_id = consumer.generate()["task_id"]
    lifecycle.Task.objects.filter(pk=task_id).update(stage="waiting_for_provider_balance")
    look()
    text = page()

    needs = part(text, "needs")
    assert "Top up the balance or quota" in needs
    assert text.count("Top up the balance or quota") == 1
    assert text.index('data-now="needs"') < text.index('data-now="standing"')
    assert "stage:waiting_for_provider_balance" in searches(part(text, "standing"))


def test_tasks_are_counted_as_they_are_and_each_figure_leads_to_what_it_counts(page, consumer):
    for _ in range(2):
        consumer.generate()
    end(consumer.generate()["task_id"], "completed")
    end(consumer.generate()["task_id"], "failed")
    lifecycle.move(consumer.generate()["task_id"], Status.PROCESSING, stage="generating")
    roll_up()
    text = page()

    assert "2 queued · 1 in progress" in words(part(text, "standing"))
    assert searches(part(text, "standing"))[:2] == ["status:queued", "status:processing"]
    ended = words(part(text, "1h:ended"))
    assert "● 1 completed ✕ 1 failed ⊘ 0 cancelled of 5 asked for" in ended
    assert "In the last hour 2 tasks ended: 1 completed, 1 failed, 0 cancelled" in ended
    completed, failed, _, created = searches(part(text, "1h:ended"))[:4]
    assert re.fullmatch(r"status:completed ended:>=\d{4}-\d\d-\d\dT\d\d:\d\dZ", completed)
    assert found(completed), found(failed) == (1, 1)
    assert found(created) == 5
    assert found(searches(part(text, "1h:causes"))[0]) == 1
    assert searches(part(text, "1h:keys")) == [f"key:{consumer.key.pk} created:>={clock.now():%Y-%m}-01"]
    assert {f"/admin/money/?span={span}" in part(text, "money") for span in ("today", "month")} == {True}


def test_other_spans_are_an_address_away(page, consumer):
    end(consumer.generate()["task_id"], "failed")
    roll_up()

    for span in ("24h", "30d"):
        text = page(f"?span={span}")
        assert [found(search) for search in searches(part(text, f"{span}:ended"))[:2]] == [0, 1]
    assert 'data-now="1h:ended"' in page("?span=nonsense")


def test_what_is_made_is_a_row_with_a_bar(page, consumer):
    task_id = consumer.generate("a kite")["task_id"]
    lifecycle.move(task_id, Status.PROCESSING, stage="generating", progress=40, leg_goal=40)

    row = part(page(), "running").partition(f'data-task="{task_id}"')[2]

    assert "a kite" in row
    assert 'role="progressbar"' in row
    assert 'aria-valuenow="40"' in row


def test_what_can_be_stopped_says_whether_it_is_and_is_one_click_from_the_form(page):
    assert 'href="/admin/tasks/pause/add/?kind=sending">Pause…' in page()
    pause = pauses.begin(who="root", kind="sending", reason="MiniMax is ill")
    reader._read.clear()

    steering = part(page(), "steering.operator")
    assert "Sending to MiniMax: ▲ stopped" in words(steering)
    assert "by root since" in words(steering)
    assert f'href="/admin/tasks/pause/{pause.pk}/delete/">Resume…' in steering


def test_a_viewer_is_offered_no_steering_and_no_money(consumer):
    consumer.generate()
    client = staff("view_task")
    text = client.get("/admin/").content.decode()

    assert "/admin/tasks/pause/add/" not in text
    assert 'data-now="steering"' in text
    assert 'data-now="money"' not in text
    assert 'data-now="1h:keys"' not in text
    told = client.get("/admin/live/state/", {"now": "1h"}).json()["now"]
    assert not {"money", "1h:keys"} & set(told)


def test_who_may_not_see_tasks_is_shown_the_tables_that_he_may_see():
    text = staff("view_team").get("/admin/").content.decode()

    assert 'id="now"' not in text
    assert "/admin/keys/team/" in text


def test_the_page_and_its_socket_show_the_same(admin, consumer, time_travel):
    time_travel.move_to(clock.now())  # within one minute, for the links to what is counted
    consumer.generate()
    text = admin.get("/admin/").content.decode()
    told = admin.get("/admin/live/state/", {"now": "1h"}).json()["now"]

    html = {name: content for name, content in told.items() if isinstance(content, str)}
    assert set(html) - {"steering"} == set(re.findall(r'data-now="([^"]+)"', text))
    assert all(content in text for name, content in html.items() if name not in ("steering", "running", "workers"))
    assert len(told["1h:chart"]["at"]) == 60


def test_pages_are_told_the_parts_of_their_span_and_of_their_rights():
    names = ["needs", "money", "1h:keys", "1h:ended", "24h:ended"]

    assert are_for(names, "1h", sees_money=True) == {"needs", "money", "1h:keys", "1h:ended"}
    assert are_for(names, "24h", sees_money=False) == {"needs", "24h:ended"}


def test_a_table_of_the_same_rows_is_the_same_part(consumer):
    task_id = consumer.generate()["task_id"]
    lifecycle.move(task_id, Status.PROCESSING, stage="generating")
    before = parts(Reader().figures(["1h"]))["running"]
    lifecycle.Task.objects.filter(pk=task_id).update(progress=50, leg_goal=50)

    after = parts(Reader().figures(["1h"]))["running"]

    assert before.content != after.content
    assert before.key == after.key


def test_however_many_tasks_there_are_the_page_asks_as_often(admin, consumer, django_assert_max_num_queries):
    for number in range(4):
        task_id = consumer.generate()["task_id"]
        lifecycle.move(task_id, Status.PROCESSING, stage="generating") if number % 2 else end(task_id, "failed")
    roll_up()

    with django_assert_max_num_queries(39):
        admin.get("/admin/")


def test_what_was_a_day_before_stands_beside_it_and_leads_to_its_tasks(page, consumer, time_travel):
    now = clock.now()
    for hours, status in ((24, "completed"), (24, "failed"), (30, "completed")):
        time_travel.move_to(now - timedelta(hours=hours))
        end(consumer.generate()["task_id"], status)
    roll_up()
    time_travel.move_to(now)
    end(consumer.generate()["task_id"], "completed")
    roll_up()

    hour, day, month = (page(f"?span={span}") for span in ("1h", "24h", "30d"))

    assert re.search(
        r"Yesterday from \d\d:\d\d to \d\d:\d\d UTC: 1 completed , 1 failed , 0 cancelled of 2 asked for", words(part(hour, "1h:ended"))
    )
    assert [found(one) for one in searches(part(hour, "1h:ended"))[4:]] == [1, 1, 0, 2]
    assert "The 24 hours before: 2 completed , 1 failed" in words(part(day, "24h:ended"))
    assert "The 30 days before: 0 completed" in words(part(month, "30d:ended"))
    assert "Below: yesterday from" in words(part(hour, "1h:times"))
    money = part(hour, "money")
    charged_before = re.search(r"yesterday until now ([\d.]+) USD", words(money))[1]
    assert Decimal(charged_before) == (Decimal(0) if now.hour < 6 else Decimal("0.2"))  # to ten minutes
    assert f"/admin/money/?from={now - timedelta(days=1):%Y-%m-%d}&amp;to=" in money


def test_margins_calls_codes_and_streams_lead_to_what_they_count(page, consumer):
    end(consumer.generate()["task_id"], "completed")
    count_call(code=1002)
    roll_up()
    text = page()

    assert "/admin/money/?span=today&amp;by=model" in part(text, "money")
    minimax = part(text, "1h:minimax")
    assert "/admin/minimax/calls/?span=1h&amp;model=video-01&amp;answer=rate" in minimax
    assert "/admin/minimax/calls/?span=1h&amp;answer=rate&amp;code=1002" in minimax
    assert "/admin/streams/" in part(text, "workers")
