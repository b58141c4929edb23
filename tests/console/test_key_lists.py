"""The lists of keys and teams: what each spends, has left and does, found and put in order; and several switched at once."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys import budget_owners
from keys.models import AuditEntry, VirtualKey
from keys.services import change_key, create_key, delete_key
from tests.support.ending import end
from tests.support.rolling import roll_up

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def named(text):
    """The keys or teams of a list, in its order."""
    return re.findall(r'<a href="/admin/keys/(?:virtualkey|team)/\d+/change/">([^<]*)</a>', text)


def cells(text, name):
    """The words of each cell in the row of that key."""
    [row] = [part for part in text.split("<tr>") if f">{name}</a>" in part.partition("</td>")[2] + part]
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


def test_a_key_s_row_says_what_it_spent_has_left_and_does(page, consumer):
    team = budget_owners.create_team(name="film", who="root")
    change_key(consumer.key, who="root", team=team)
    budget_owners.set_budgets(consumer.key, [{"period": "total", "amount": Decimal("0.5")}], who="root")
    end(consumer.generate()["task_id"], "completed")
    consumer.generate()
    roll_up()

    text = page("keys/")

    row = cells(text, "somebody")
    assert row[2:5] == ["film", "● active", "0.2000 USD"]
    assert row[5].startswith("total: 0.1000 USD of 0.5000 USD left")
    assert row[6] == "1"
    assert f"q=key%3A{consumer.key.pk}+status%3Aactive" in text


@pytest.mark.parametrize(
    ("hours", "amount", "words"),
    [
        (0, "0.5", "0.1000 USD of 0.5000 USD left"),
        (10, "0.5", "▲ used up"),
        (10, "1", "0.6000 USD of 1.0000 USD left, lasts until it resets"),
    ],
)
def test_a_budget_says_when_it_will_be_used_up_at_this_pace(page, consumer, time_travel, hours, amount, words):
    # Of yesterday: some hours after the login the session would have ended.
    midnight = (clock.now() - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    time_travel.move_to(midnight, tick=False)
    budget_owners.set_budgets(consumer.key, [{"period": "daily", "amount": Decimal(amount)}], who="root")
    for _ in range(2):
        consumer.generate()
    time_travel.move_to(midnight + timedelta(hours=hours), tick=False)

    budget = cells(page("keys/"), "somebody")[5]

    assert words in budget
    if words == "▲ used up":  # 0.4 in ten hours: the last tenth of a dollar lasts two and a half
        assert f"{midnight + timedelta(hours=12, minutes=30):%H:%M} UTC at this pace" in budget


def test_keys_are_found_by_name_team_secret_and_state(page, make_consumer):
    ann, bob, gone = (make_consumer(name) for name in ("ann", "bob", "gone"))
    change_key(ann.key, who="root", team=budget_owners.create_team(name="Film", who="root"))
    change_key(bob.key, who="root", enabled=False)
    delete_key(gone.key, who="root")

    assert named(page("keys/")) == ["bob", "ann"]
    assert named(page("keys/?q=film")) == ["ann"]
    assert named(page("keys/?q=BO")) == ["bob"]
    assert named(page(f"keys/?q={ann.secret[:12]}")) == ["ann"]
    assert named(page("keys/?state=disabled")) == ["bob"]
    assert named(page("keys/?state=deleted")) == ["gone"]
    assert named(page(f"keys/?team={ann.key.team_id}")) == ["ann"]
    assert "No key is found" in page("keys/?q=nobody")


def test_keys_and_teams_are_put_in_order_of_what_they_spent_and_of_their_last_use(page, make_consumer):
    consumers = [make_consumer(name) for name in ("one", "two", "three")]
    for number, consumer in enumerate(consumers):
        change_key(consumer.key, who="root", team=budget_owners.create_team(name=f"team {consumer.key.name}", who="root"))
        VirtualKey.objects.filter(pk=consumer.key.pk).update(last_used_at=clock.now() - timedelta(days=number))
    for consumer in [consumers[1]] * 2 + [consumers[2]]:
        end(consumer.generate()["task_id"], "completed")
    roll_up()

    assert named(page("keys/?order=spent+this+month")) == ["two", "three", "one"]
    assert named(page("keys/?order=last+used")) == ["one", "two", "three"]
    assert named(page("keys/?order=name")) == ["one", "three", "two"]
    assert named(page("keys/teams/?order=spent+this+month")) == ["team two", "team three", "team one"]
    assert named(page("keys/teams/?q=tHREE")) == ["team three"]


def test_hundreds_of_keys_are_pages_of_fifty_and_cost_no_more_queries_than_one(page, admin, consumer):
    with CaptureQueriesContext(connection) as of_one:
        admin.get("/admin/keys/")
    for number in range(120):
        create_key(name=f"key {number}", budgets=[{"period": "daily", "amount": Decimal(1)}] if number % 9 == 0 else [])

    with CaptureQueriesContext(connection) as of_many:
        first = page("keys/")

    assert len(of_many) <= max(len(of_one) + 1, 12), [query["sql"][:90] for query in of_many]
    assert (len(named(first)), "1 to 50 of 121" in first) == (50, True)
    assert named(page("keys/?page=3"))[-1] == "somebody"
    assert named(page("keys/?page=99999999")) == named(first)
    assert 'rel="next"' not in page("keys/?page=3")


def test_the_list_of_teams_costs_the_same_for_many(admin):
    for number in range(30):
        budget_owners.create_team(name=f"team {number}", budgets=[{"period": "daily", "amount": Decimal(1)}], who="root")

    with CaptureQueriesContext(connection) as queries:
        answer = admin.get("/admin/keys/teams/")

    assert (answer.status_code, len(queries) <= 12) == (200, True), [query["sql"][:90] for query in queries]


def test_several_keys_are_disabled_after_a_page_that_says_what_will_happen(admin, page, make_consumer):
    ann, bob, stays = (make_consumer(name) for name in ("ann", "bob", "stays"))
    ann.generate()
    change_key(bob.key, who="root", enabled=False)
    chosen = [consumer.key.pk for consumer in (ann, bob)]

    asked = " ".join(page(f"keys/disable/?key={chosen[0]}&key={chosen[1]}").split())
    assert "1 key will be refused from the next call on" in asked
    assert "1 task in flight goes on and is paid for" in asked
    assert "1 more is so already" in asked
    assert VirtualKey.objects.get(pk=ann.key.pk).enabled
    answer = admin.post("/admin/keys/disable/", {"key": chosen}, follow=True)

    assert "Disabled 1 key: ann." in answer.content.decode()
    assert [key.enabled for key in VirtualKey.objects.order_by("pk")] == [False, False, True]
    assert ann.get("/v1/key").json()["error"]["code"] == "api_key_disabled"
    assert AuditEntry.objects.filter(who="root", target=f"key:{ann.key.pk}", changes={"enabled": [True, False]}).count() == 1

    admin.post("/admin/keys/enable/", {"key": [*chosen, stays.key.pk]})
    assert all(VirtualKey.objects.values_list("enabled", flat=True))


def test_who_may_only_look_is_offered_no_switch_and_gets_403_by_hand(consumer, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_virtualkey"))
    client = Client()
    client.force_login(viewer)

    text = client.get("/admin/keys/").content.decode()

    assert ("Disable" in text, "checkbox" in text, "Add a key" in text, "/admin/keys/usagecost/" in text) == (False, False, False, False)
    assert client.post("/admin/keys/disable/", {"key": consumer.key.pk}).status_code == 403
    assert client.get("/admin/keys/teams/").status_code == 403
    assert VirtualKey.objects.get().enabled


def test_the_pages_of_a_key_and_a_team_begin_with_figures(page, consumer):
    team = budget_owners.create_team(name="film", budgets=[{"period": "monthly", "amount": Decimal(100)}], who="root")
    change_key(consumer.key, who="root", team=team)
    end(consumer.generate()["task_id"], "completed")
    consumer.generate()
    roll_up()

    for path in (f"keys/virtualkey/{consumer.key.pk}/change/", f"keys/team/{team.pk}/change/"):
        text = " ".join(page(path).split())
        assert ">0.2000 USD</a></dd>" in text
        assert "monthly: 99.60 USD of 100.00 USD left" in text
        assert ">1 task</a>" in text
