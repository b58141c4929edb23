"""People see a page of the console when something is not there, not theirs, or broken; programs their envelope."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError
from django.test import Client

from conduit.console import settings_page
from tests.support.envelopes import refused

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def page_of(answer, status):
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    text = answer.content.decode()
    assert "console/console.css" in text
    return text


@pytest.mark.parametrize("path", ["nope/", "tasks/nope/", "keys/nope/", "a.b"])
def test_an_address_that_is_none_is_a_page_in_the_frame(admin, path):
    page = page_of(admin.get(f"/admin/{path}"), 404)

    assert "There is no such page" in page
    assert 'aria-label="Console"' in page
    assert f"/admin/{path}" in page


def test_who_is_not_logged_in_is_sent_to_the_log_in_and_not_told_what_there_is():
    assert Client().get("/admin/nope/").headers["Location"] == "/admin/login/?next=/admin/nope/"


def test_a_right_that_is_missing_is_a_page_that_says_whose_it_is_and_who_gives_it():
    ann = User.objects.create_user("ann", is_staff=True)
    ann.groups.add(Group.objects.get(name="viewer"))
    client = Client()
    client.force_login(ann)

    page = page_of(client.get("/admin/videos/blockedterm/add/"), 403)

    assert "<strong>ann</strong> may not see this page" in page
    assert "Your group: viewer." in page


def test_a_form_of_another_page_is_refused_in_words(admin):
    strict = Client(enforce_csrf_checks=True, headers={"Origin": "https://evil.example"})
    strict.cookies = admin.cookies

    assert "Nothing was changed" in page_of(strict.post("/admin/videos/blockedterm/add/", {"term": "x"}), 403)
    assert "This form was not taken" in page_of(
        Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x", "password": "y"}), 403
    )


@pytest.mark.parametrize(
    ("raised", "status", "words"), [(ZeroDivisionError, 500, "Something broke"), (OperationalError, 503, "does not answer")]
)
def test_a_crash_is_a_page_with_the_requests_id_and_nothing_of_the_inside(admin, monkeypatch, raised, status, words):
    def crash(*_, **__):
        raise raised("the inside")

    monkeypatch.setattr(settings_page, "render", crash)
    admin.raise_request_exception = False

    answer = admin.get("/admin/settings/", headers={"X-Request-ID": "mine-42"})

    page = page_of(answer, status)
    assert words in page
    assert "mine-42" in page
    assert "the inside" not in page
    assert answer.headers.get("Retry-After") == ("5" if status == 503 else None)


def test_programs_keep_their_envelope():
    refused(Client().get("/v1/nope"), 404, "not_found")
    refused(Client().post("/"), 404, "not_found")
