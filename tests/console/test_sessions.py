"""A session ends after some time without use, and after some time in any case; who reads pages writes nothing for that."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from conduit.console.security.entry import may_enter
from conduit.console.security.jobs import forget_what_is_over

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

HOUR = timedelta(hours=1)


@pytest.fixture
def shift(time_travel):
    time_travel.move_to(clock.now())
    return time_travel.shift


@pytest.fixture
def root(shift):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def is_logged_in(client, path="/admin/settings/"):
    return client.get(path).status_code == 200


def test_a_session_without_use_ends_and_the_login_page_says_why(root, shift):
    shift(7.9 * HOUR)
    assert is_logged_in(root)
    shift(8.1 * HOUR)

    answer = root.get("/admin/settings/", follow=True)

    assert answer.redirect_chain == [("/admin/login/?next=/admin/settings/", 302)]
    assert "You were logged out after 8\xa0hours without use." in answer.content.decode()
    assert not is_logged_in(root)


def test_a_session_in_use_ends_when_its_age_is_over(root, shift):
    for _ in range(23):
        shift(7 * HOUR)
        assert is_logged_in(root)
    shift(7.1 * HOUR)

    assert "log in again after 1\xa0week" in root.get("/admin/settings/", follow=True).content.decode()


def test_what_a_page_asks_for_by_itself_is_no_use(root, shift):
    for _ in range(5):
        shift(2 * HOUR)
        root.get("/admin/live/state/")
    assert not is_logged_in(root)


def test_reading_pages_writes_the_session_once_in_a_while_alone(root, shift):
    def writes():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert is_logged_in(root)
        return [query["sql"] for query in queries if "django_session" in query["sql"] and not query["sql"].startswith("SELECT")]

    assert [bool(writes()) for _ in range(3)] == [False, False, False]
    shift(HOUR)
    assert [bool(writes()) for _ in range(3)] == [True, False, False]


def test_a_session_whose_beginning_nobody_noted_opens_nothing(root):
    session = root.session
    del session["began_at"]
    session.save()

    assert not is_logged_in(root)


def test_sessions_that_are_over_are_forgotten_and_others_go_on(root, shift):
    other = Client()
    other.force_login(User.objects.get())
    Session.objects.filter(pk=other.session.session_key).update(expire_date=clock.now() - timedelta(seconds=1))

    forget_what_is_over()

    assert Session.objects.count() == 1
    assert is_logged_in(root)


def test_a_socket_asks_the_same_question(root, shift):
    user, session = User.objects.get(), root.session
    assert may_enter(user, session)

    assert not may_enter(User(is_staff=False), session)
    assert not may_enter(User(is_staff=True, is_active=False), session)
    shift(9 * HOUR)
    assert not may_enter(user, session)
