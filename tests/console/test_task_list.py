"""The console's list of tasks."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit.console.models import SavedSearch
from conduit.console.tasks import list_page
from keys import budget_owners
from keys.models import AuditEntry
from keys.services import change_key
from tasks import search
from tasks.models import Task
from tests.support.ending import end

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def shown(text):
    """The ids of the rows, in their order."""
    return re.findall(r'<tr data-task="([0-9a-f-]+)"', text)


def link(text, label):
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{label}</a>', text)
    return unescape(found[1]) if found else None


def of(consumer, status="queued", prompt="a cat", **wanted):
    task_id = consumer.generate(prompt, **wanted)["task_id"]
    if status != "queued":
        end(task_id, status)
    return task_id


def in_role(name):
    user = User.objects.create_user(f"an {name}", password="a long password", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def test_the_list_shows_each_task_of_every_key_newest_first(page, make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob <b>")
    film = budget_owners.create_team(name="film", who="root")
    change_key(bob.key, who="root", team=film)
    done = of(ann, "completed", 'a red "boat"')
    failed = of(bob, "failed", "<i>rain</i>", resolution="1920x1080")
    running = of(ann)
    Task.objects.filter(pk=running).update(status="processing", stage="generating", progress=40, leg_goal=40)

    text = page("tasks/")

    assert shown(text) == [running, failed, done]
    for words in ("a red &quot;boat&quot;", "&lt;i&gt;rain", "bob &lt;b&gt;", ">film<", "1920x1080", "provider_error", "At MiniMax"):
        assert words in text
    assert 'aria-valuenow="40"' in text
    assert f'src="/media/{done}/thumbnail.jpg?expires=' in text
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</time>", text)
    assert " style=" not in text.partition('class="list tasks"')[2]


def test_the_search_stands_in_the_box_and_each_part_can_be_taken_away(page, make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    first, other = of(ann, "failed", "a boat"), of(bob, "failed", "a boat")
    of(ann, "failed", "a train")

    text = page('tasks/?q=key:ann+-"a+train"+status:failed')

    assert shown(text) == [first]
    assert 'value="key:ann -&quot;a train&quot; status:failed"' in text
    assert "1 task match" in text
    without_key = unescape(re.search(r'<a href="([^"]*)" aria-label="Take key:ann away"', text)[1])
    assert shown(page(without_key.removeprefix("/admin/"))) == [other, first]


@pytest.mark.parametrize(
    ("label", "search"),
    [
        ("ann", "key:ann"),
        ("minimax-video", "model:minimax-video"),
        ("6 s", "seconds:6"),
        ("1280x720", "size:1280x720"),
        ("provider_error", "error:provider_error"),
    ],
)
def test_each_value_in_the_table_narrows_the_search(page, make_consumer, label, search):
    of(make_consumer("ann"), "failed", "a boat")

    text = page("tasks/?q=boat")

    address = link(text.partition('class="list tasks"')[2], label)
    narrowed = page(address.removeprefix("/admin/"))
    assert f'value="boat {search}"' in narrowed
    assert len(shown(narrowed)) == 1


def test_a_value_takes_the_place_of_another_one_of_its_kind(page, make_consumer):
    of(make_consumer("ann"))
    of(make_consumer("bob"))

    address = link(page("tasks/?q=key:ann,bob"), "bob")

    assert address == "/admin/tasks/?q=key%3Abob"


def test_what_is_not_understood_is_told_beside_the_box(admin, consumer):
    of(consumer)

    answer = admin.get("/admin/tasks/?q=colour:red+boat")

    text = answer.content.decode()
    assert answer.status_code == 400
    assert "`colour:red` is not understood" in text
    assert 'value="colour:red boat"' in text
    assert shown(text) == []


def test_pages_lead_to_older_and_newer_tasks_and_back(admin, page, consumer, monkeypatch):
    monkeypatch.setattr(list_page, "PAGE", 2)
    made = [of(consumer) for _ in range(5)][::-1]

    first = page("tasks/")
    second = page(link(first, "Older").removeprefix("/admin/"))
    third = page(link(second, "Older").removeprefix("/admin/"))

    assert [shown(text) for text in (first, second, third)] == [made[:2], made[2:4], made[4:]]
    assert (link(first, "Newer"), link(third, "Older")) == (None, None)
    again = page(link(third, "Newer").removeprefix("/admin/"))
    assert shown(again) == made[2:4]
    assert shown(admin.get(link(again, "Newer"), follow=True).content.decode()) == made[:2]
    assert "5 tasks" in first


def test_a_page_of_newer_ones_when_there_are_none_is_the_first_page(admin, consumer):
    newest = of(consumer)

    assert admin.get(f"/admin/tasks/?q=cat&after={newest}").headers["Location"] == "/admin/tasks/?q=cat"


def test_where_more_was_not_looked_at_the_page_says_so_and_leads_on(page, consumer, monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 3)
    far = of(consumer, prompt="a unicorn")
    for _ in range(4):
        of(consumer)

    first = page("tasks/?q=unicorn")
    second = page(link(first, "Look further").removeprefix("/admin/"))

    assert shown(first) == []
    assert "None of the newest that were looked at match" in first
    assert shown(second) == [far]
    assert link(second, "Look further") is None


def test_an_empty_list_says_what_to_do(page, consumer):
    assert "Make a key under" in page("tasks/")
    of(consumer)
    assert "No task matches" in page("tasks/?q=unicorn")


def test_a_page_costs_the_same_queries_for_one_task_and_for_many(admin, page, make_consumer):
    def cost(path):
        page(path)
        with CaptureQueriesContext(connection) as queries:
            page(path)
        return len(queries)

    of(make_consumer("ann"))
    one = cost("tasks/"), cost("tasks/?q=cat+key:ann")
    for name in ("bob", "cho", "dan"):
        of(make_consumer(name), "completed")

    # Session, account, two for the conditions, saved searches, the ids, the rows; what a word and a name mean, and where looking ended.
    assert one == (cost("tasks/"), cost("tasks/?q=cat+key:ann"))
    assert one <= (8, 12)


# ---- Where it is found


@pytest.mark.parametrize(
    ("path", "search"),
    [
        ("tasks/task/", ""),
        ("videos/video/", ""),
        ("tasks/task/?stage__exact=paused&status__exact=queued", "?q=stage%3Apaused+status%3Aqueued"),
        ("tasks/task/?trouble__exact=rate_limit&key__id__exact=7", "?q=refused%3Arate_limit+key%3A7"),
        ("videos/video/?task__status__exact=failed&q=a+cat", "?q=status%3Afailed+%22a+cat%22"),
    ],
)
def test_djangos_lists_of_tasks_and_videos_lead_to_it(admin, path, search):
    assert admin.get(f"/admin/{path}").headers["Location"] == f"/admin/tasks/{search}"


def test_who_may_not_see_tasks_is_not_let_in(db, client):
    user = User.objects.create_user("sam", password="a long password", is_staff=True)
    client.force_login(user)

    assert [client.get(f"/admin/{path}").status_code for path in ("tasks/", "tasks/task/", "videos/video/")] == [403] * 3
    assert Client().get("/admin/tasks/").status_code == 302


def test_addresses_that_no_page_wrote_are_read_as_far_as_they_can_be(admin, consumer):
    of(consumer)

    for query in ("before=x", "after=%00", "before=01a20278-ca5c-7589-8260-f58625356f59", "q=%00", "q=%ED%A0%80", "q=" + "a" * 600):
        assert admin.get(f"/admin/tasks/?{query}").status_code in (200, 400), query


# ---- Saved searches


def test_a_search_is_saved_under_a_name_and_is_a_link_from_then_on(admin, page, consumer):
    admin.post("/admin/tasks/searches/", {"name": "boats", "q": "boat status:failed"})

    assert link(page("tasks/"), "boats") == "/admin/tasks/?q=boat%20status%3Afailed"
    assert not AuditEntry.objects.filter(target__startswith="savedsearch").exists()
    admin.post("/admin/tasks/searches/", {"name": "boats", "q": "boat"})
    assert link(page("tasks/"), "boats") == "/admin/tasks/?q=boat"


def test_a_personal_search_is_its_owners_alone_and_a_shared_one_everybodys(admin, page):
    viewer = in_role("viewer")
    admin.post("/admin/tasks/searches/", {"name": "mine", "q": "boat"})
    admin.post("/admin/tasks/searches/", {"name": "ours", "q": "rain", "shared": "1"})

    text = viewer.get("/admin/tasks/").content.decode()

    assert link(text, "ours")
    assert link(text, "mine") is None
    assert AuditEntry.objects.latest("pk").changes["q"] == "rain"
    mine, ours = (SavedSearch.objects.get(name=name) for name in ("mine", "ours"))
    assert viewer.post(f"/admin/tasks/searches/{mine.pk}/delete/").status_code == 404
    assert viewer.post(f"/admin/tasks/searches/{ours.pk}/delete/").status_code == 403
    assert viewer.post("/admin/tasks/searches/", {"name": "x", "q": "rain", "shared": "1"}).status_code == 403
    assert in_role("operator").post(f"/admin/tasks/searches/{ours.pk}/delete/").status_code == 302
    assert list(SavedSearch.objects.all()) == [mine]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("", "boat", "1 to 60 characters"),
        ("x" * 61, "boat", "1 to 60 characters"),
        ("x", " ", "nothing to save"),
        ("x", "colour:red", "not understood"),
    ],
)
def test_a_search_that_cannot_be_saved_says_why(admin, name, text, says):
    answer = admin.post("/admin/tasks/searches/", {"name": name, "q": text}, follow=True)

    assert says in answer.content.decode()
    assert not SavedSearch.objects.exists()


def test_a_shared_name_is_taken_once(admin):
    admin.post("/admin/tasks/searches/", {"name": "ours", "q": "rain", "shared": "1"})

    answer = in_role("operator").post("/admin/tasks/searches/", {"name": "ours", "q": "boat", "shared": "1"}, follow=True)

    assert "Somebody else shares a search named ours" in answer.content.decode()
