"""A page of the console is told what happens, and nobody else is."""

from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection

from tests.console.live.conftest import Page, refusal
from tests.signalr.wires import until
from tests.support.databases import database_url
from tests.support.ending import end

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_a_page_is_told_its_tasks_as_they_are_and_then_what_changes(ann, open_page, consumer):
    task_id = consumer.generate("a kite")["task_id"]
    page = open_page(ann).watch(tasks=[task_id])

    assert page.row(task_id)["prompt"] == "a kite"
    end(task_id, "completed")
    assert page.row(task_id, status="completed")["progress"] == 100


def test_progress_moves_by_the_clock_and_is_told_without_the_rest_of_the_row(ann, open_page, consumer):
    from conduit import clock
    from tasks import lifecycle
    from tasks.models import Status

    task_id = consumer.generate()["task_id"]
    page = open_page(ann).watch(tasks=[task_id])
    leg = {"progress": 10, "leg_goal": 90, "leg_started_at": clock.now(), "leg_seconds": 60.0, "rest_seconds": 1.0}
    lifecycle.move(task_id, Status.PROCESSING, stage="generating", **leg)
    page.row(task_id, status="processing")

    def only_moved(message):
        return set(message.get("tasks", {}).get(task_id, ())) == {"progress", "eta_seconds"}

    moved = [page.until(only_moved)["tasks"][task_id] for _ in range(2)]

    assert 10 <= moved[0]["progress"] < moved[1]["progress"] < 90


def test_a_task_that_is_not_there_is_told_as_such(ann, open_page):
    nowhere = "01970000-0000-7000-8000-000000000000"

    assert open_page(ann).watch(tasks=[nowhere]).until(lambda message: "tasks" in message)["tasks"] == {nowhere: None}


def test_a_list_hears_how_many_tasks_are_newer_than_what_it_shows(ann, open_page, consumer):
    shown = consumer.generate()["task_id"]
    consumer.generate()
    page = open_page(ann).watch(list=shown)

    assert page.until(lambda message: "newer" in message)["newer"] == 1
    newest = [consumer.generate() for _ in range(2)][-1]["task_id"]
    told = page.until(lambda message: message.get("newer") == 3)
    assert told["newest"] == newest


def test_two_pages_of_one_login_are_told_the_same(ann, open_page, consumer):
    task_id = consumer.generate()["task_id"]
    pages = [open_page(ann).watch(tasks=[task_id]) for _ in range(2)]
    for page in pages:
        page.row(task_id)

    end(task_id, "cancelled")

    assert [page.row(task_id, status="cancelled")["progress"] for page in pages] == [0] * 2


def test_a_page_of_another_site_cannot_open_the_socket(ann):
    assert [refusal(ann, origin) for origin in ("https://elsewhere.example", "null", None)] == [403, 403, 403]


@pytest.mark.parametrize("cookie", ["", "{name}=", "{name}=nonsense"])
def test_who_is_not_logged_in_is_told_so(web, ann, cookie):
    name = next(pair.partition("=")[0] for pair in ann.cookie.split("; ") if "session" in pair)
    page = Page(web, cookie.format(name=name), origin=web.url).open()

    page.rest()
    assert page.close_code == 4401


@pytest.mark.parametrize("account", [{}, {"is_staff": False, "is_superuser": True}])
def test_who_may_not_see_tasks_is_told_so(web, log_in, open_page, account):
    login = log_in(web, "bob", "view_virtualkey")
    get_user_model().objects.filter(username="bob").update(**account)
    page = open_page(login)

    page.rest()
    assert page.close_code == (4401 if account else 4403)


def log_out(ann):
    ann.post("/admin/logout/")


def let_the_session_run_out(ann):
    Session.objects.update(expire_date="2020-01-01T00:00:00Z")


def change_the_password(ann):
    user = get_user_model().objects.get()
    user.set_password("another long password")
    user.save()


def disable(ann):
    get_user_model().objects.update(is_active=False)


def take_the_right(ann):
    get_user_model().objects.get().user_permissions.clear()


@pytest.mark.parametrize(
    ("what", "code"),
    [(log_out, 4401), (let_the_session_run_out, 4401), (change_the_password, 4401), (disable, 4401), (take_the_right, 4403)],
)
def test_the_socket_ends_with_the_login_or_the_right(ann, open_page, what, code):
    page = open_page(ann).watch(list=True)
    page.next()

    what(ann)

    assert page.ended.wait(60)
    assert page.close_code == code


def test_what_is_no_wish_ends_the_socket(ann, open_page):
    texts = ["[]", "{", '{"watch": {"tasks": ["x"]}}', '{"watch": {"tasks": ["' + "x" * 9000 + '"]}}', '{"watch": {"now": ["1h"]}}']
    pages = [open_page(ann) for _ in texts]
    for page, text in zip(pages, texts, strict=True):
        page.send(text)

    for page in pages:
        page.rest()
    assert [page.close_code for page in pages] == [4400] * 5


def test_one_login_has_no_more_than_its_share_of_sockets(ann, open_page):
    pages = [open_page(ann).watch(list=True) for _ in range(20)]
    for page in pages:
        page.next()

    one_more = open_page(ann)
    one_more.rest()
    assert one_more.close_code == 4429
    pages[0].close()

    def there_is_room() -> bool:
        another = open_page(ann).watch(list=True)
        with suppress(AssertionError):
            return bool(another.next(5))
        another.close()
        return False

    until(there_is_room)  # it takes a moment until an end is known


def test_a_process_that_stops_tells_its_pages_to_come_again(log_in, open_page, start_web):
    web = start_web()
    page = open_page(log_in(web)).watch(list=True)
    page.next()

    assert web.stop() == 0
    assert page.close_code == 1012


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is a file: it cannot be away")
def test_pages_hear_that_the_database_is_away_and_afterwards_what_they_missed(log_in, open_page, start_web, wire, consumer):
    task_id = consumer.generate()["task_id"]
    login = log_in(start_web(DATABASE_URL=database_url(wire.port), REDIS_URL="redis://127.0.0.1:1/0"))
    page = open_page(login).watch(tasks=[task_id])
    page.row(task_id)

    wire.cut()
    assert page.until(lambda message: message.get("stale"))["stale"].endswith("Z")
    end(task_id, "cancelled")
    wire.mend()

    back = page.until(lambda message: "stale" in message and message["stale"] is None)
    if task_id not in back.get("tasks", {}):
        back = page.until(lambda message: task_id in message.get("tasks", {}))
    assert back["tasks"][task_id]["status"] == "cancelled"


def test_the_same_is_told_to_who_asks_for_it(ann, consumer):
    first, second = (consumer.generate()["task_id"] for _ in range(2))

    told = ann.get("/admin/live/state/", tasks=first, list=first).json()

    assert (told["tasks"][first]["status"], told["newest"], told["newer"], told["stale"]) == ("queued", second, 1, None)
    assert ann.get("/admin/live/state/", tasks="x").status_code == 400


def test_nobody_else_is_answered(web, log_in, client):
    assert client.get("/admin/live/state/").status_code == 302
    assert log_in(web, "bob", "view_virtualkey").get("/admin/live/state/").status_code == 403
