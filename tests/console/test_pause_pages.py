"""Pausing and resuming in the console, and what every page says of it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from conduit import clock
from keys.models import AuditEntry
from tasks import paused
from tasks.models import Pause, Task

pytestmark = pytest.mark.django_db

PAGES = ["", "tasks/", "keys/virtualkey/add/"]
ADD = "/admin/tasks/pause/add/"


@pytest.fixture
def stop(admin, django_capture_on_commit_callbacks):
    """Fills in the form; gives its answer."""

    def send(path=ADD, **fields):
        with django_capture_on_commit_callbacks(execute=True):
            return admin.post(path, {"kind": "sending", "model": "", "until_0": "", "until_1": "", "reason": "", "message": ""} | fields)

    return send


def staff(*rights):
    user = get_user_model().objects.create_user("viewer", password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_what_is_paused_is_told_at_once_on_every_page_and_in_health_and_no_more_when_it_is_over(admin, page, stop):
    assert stop(model="video-01", reason="MiniMax is ill").status_code == 302
    pause = Pause.objects.get()

    for path in PAGES:
        assert "Work is paused." in page(path)
        assert "Sending to MiniMax (video-01) was stopped by root: MiniMax is ill." in page(path)
    health = admin.get("/health").json()
    assert (health["conditions"]["paused"]["severity"], health["conditions"]["paused"]["holds"]) == ("notice", True)
    assert [one["subject"] for one in health["conditions"]["paused"]["subjects"]] == ["sending video-01"]

    assert stop(f"/admin/tasks/pause/{pause.pk}/delete/", post="yes").status_code == 302
    assert "Work is paused." not in page()
    assert admin.get("/health").json()["conditions"]["paused"] == health["conditions"]["paused"] | {"holds": False, "subjects": []}
    assert [(row.who, row.action) for row in AuditEntry.objects.filter(target=f"pause:{pause.pk}").order_by("id")] == [
        ("root", "pause"),
        ("root", "resume"),
    ]


def test_tasks_wait_for_a_pause_of_the_console_and_go_on_when_it_is_over(page, stop, consumer, driver):
    stop()
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)
    pause = Pause.objects.get()
    waiting, listed, asked = page(f"tasks/task/{task_id}/change/"), page("tasks/pause/"), page(f"tasks/pause/{pause.pk}/delete/")

    stop("/admin/tasks/pause/", action="resume", _selected_action=[pause.pk])
    told = page("tasks/pause/")
    paused.go_on(clock.now())

    assert "paused" in waiting
    assert '<a href="/admin/tasks/?q=stage:paused">1</a>' in listed
    assert "1 task waits for this to end, and goes on within seconds unless another pause holds it." in asked
    assert 'value="Resume"' in asked
    assert "delete_selected" not in listed
    assert "Sending to MiniMax: resumed." in told
    assert not Pause.objects.exists()
    assert Task.objects.get(pk=task_id).stage == "queued"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "media", "model": "video-01"}, "`model` belongs to a pause of `sending` alone."),
        ({"kind": "media", "message": "no"}, "belongs to a pause of `new_work` alone"),
        ({"model": "unknown"}, "unknown is not one of the available choices"),
        ({"until_0": "2020-01-01", "until_1": "00:00"}, "`until` must be ahead."),
        ({"kind": ""}, "This field is required."),
    ],
)
def test_what_the_api_refuses_is_refused_here_too(stop, fields, words):
    answer = stop(**fields)

    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Pause.objects.exists()


def test_what_is_paused_already_is_told_on_the_form(stop):
    stop()

    assert "already exists" in stop().content.decode()
    assert Pause.objects.count() == 1


def test_the_end_and_the_words_of_a_pause_can_be_changed_and_what_it_stops_cannot(stop):
    stop(kind="new_work", message="Back soon.")
    pause = Pause.objects.get()
    until = clock.now() + timedelta(hours=1)

    stop(
        f"/admin/tasks/pause/{pause.pk}/change/",
        kind="media",
        message="Back at noon.",
        until_0=f"{until:%Y-%m-%d}",
        until_1=f"{until:%H:%M}",
    )

    pause.refresh_from_db()
    assert (pause.kind, pause.message, f"{pause.until:%H:%M}") == ("new_work", "Back at noon.", f"{until:%H:%M}")


def test_who_may_only_look_sees_no_button_and_is_refused_by_hand(stop):
    stop()
    pause = Pause.objects.get()
    viewer = staff("view_pause")

    shown = viewer.get("/admin/tasks/pause/").content.decode()

    assert "Sending to minimax" in shown or "Sending to MiniMax" in shown
    assert "pause/add/" not in shown
    for path in ("add/", f"{pause.pk}/delete/"):
        assert viewer.post(f"/admin/tasks/pause/{path}", {"kind": "media", "post": "yes"}).status_code == 403
    assert Pause.objects.get() == pause


def test_an_operator_with_the_right_of_pauses_alone_pauses_and_resumes():
    operator = staff("pause_work")

    operator.post(ADD, {"kind": "media", "model": "", "until_0": "", "until_1": "", "reason": "", "message": ""})
    pause = Pause.objects.get()
    operator.post(f"/admin/tasks/pause/{pause.pk}/delete/", {"post": "yes"})

    assert pause.created_by == "viewer"
    assert not Pause.objects.exists()


def test_the_form_says_first_what_the_pause_that_was_asked_for_will_do(page, consumer):
    consumer.generate()
    form = page("tasks/pause/add/?kind=new_work").partition('class="what-happens"')[2]

    assert "answered 503" in form
    assert "1 queued and 0 in progress go on" in form
    assert form.index("New work") < form.index("Sending to MiniMax")
    assert '<option value="new_work" selected>' in form
