"""Lists of tables that grow for ever look at the newest rows, say so, and find older ones by what an index finds."""

from datetime import timedelta

import pytest

from conduit import clock
from conduit.console import long_lists
from keys.models import UsageCost

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def few_are_looked_at(monkeypatch):
    monkeypatch.setattr(long_lists, "LOOKED_AT", 3)


def shown(client, query):
    answer = client.get(f"/admin/keys/usagecost/?{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.context["cl"].queryset), answer.context["subtitle"]


def test_a_list_shows_the_newest_rows_and_says_that_there_are_more(few_are_looked_at, admin_client, make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    old = ann.generate()["task_id"]
    for _ in range(4):
        bob.generate()

    rows, said = shown(admin_client, "")
    assert [row.key_id for row in rows] == [bob.key.pk] * 3
    assert said.startswith("Among the newest 3")
    for query in (f"key__id__exact={ann.key.pk}", f"q={old}"):
        (row,), said = shown(admin_client, query)
        assert (str(row.task_id), said) == (old, None)
    rows, _ = shown(admin_client, f"key__id__exact={bob.key.pk}&entry__exact=capture")
    assert rows == []


def test_rows_of_days_long_ago_are_found_below_all_newer_ones(few_are_looked_at, admin_client, make_consumer, time_travel):
    ann, now = make_consumer("ann"), clock.now()
    for days in (9, 8, 7, 6, 5, 4, 3, 2, 1):
        time_travel.move_to(now - timedelta(days=days))
        ann.generate()
    time_travel.move_to(now)
    day, after = ((now - timedelta(days=days)).date() for days in (7, 6))

    for further in ("", f"&key__id__exact={ann.key.pk}"):
        (row,), _ = shown(admin_client, f"created_at__gte={day}T00:00:00Z&created_at__lt={after}T00:00:00Z{further}")
        assert row.created_at.date() == day
    assert UsageCost.objects.count() == 9


@pytest.mark.parametrize("bound", ["yesterday", "2026-13-45", "2026-02-31T00:00:00Z"])
def test_a_bound_that_is_no_moment_is_no_crash(admin_client, bound):
    assert admin_client.get(f"/admin/keys/usagecost/?created_at__lt={bound}").status_code in (200, 302, 400)
