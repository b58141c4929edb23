"""A key's client tokens as those see and end them who run the place: the management API, and the key's page in the console."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys.models import AuditEntry
from keys.services import create_management_key
from tests.support.client_tokens import with_token
from tests.support.envelopes import refused
from tests.support.managing import Manager, make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def path(consumer):
    return f"keys/{consumer.key.pk}/client_tokens"


def test_the_living_ones_of_a_key_are_listed_without_what_opens_anything(consumer, make_consumer, path, time_travel):
    with_token(consumer, expires_in=60)
    time_travel.move_to(clock.now() + timedelta(minutes=2))
    token = with_token(consumer, create={"tasks": 3, "usd": "1"})
    token.generate()
    with_token(make_consumer("another"))

    [shown] = make_manager().done("GET", path)["data"]

    assert (shown["prefix"], shown["tasks_made"], shown["create"]["tasks"]) == (token.secret[:15], 1, 3)
    assert shown["secret"] == consumer.secret[:12]
    assert token.secret not in str(shown)


def test_they_are_ended_together_with_a_row_of_the_audit_and_the_key_goes_on(consumer, make_consumer, path):
    tokens = [with_token(consumer), with_token(consumer, create={})]
    other = with_token(make_consumer("another"))
    manager = make_manager()

    assert manager.done("DELETE", path) == {"object": "client_tokens", "key": consumer.key.pk, "ended": 2}

    for token in tokens:
        refused(token.get("/v1/tasks"), 401, "api_key_expired")
    assert consumer.get("/v1/tasks").status_code == other.get("/v1/tasks").status_code == 200
    row = AuditEntry.objects.first()
    assert (row.who, row.action, row.target) == (str(manager.key), "end client tokens", f"key:{consumer.key.pk}")
    assert row.changes == {"client_tokens": [2, 0]}
    assert manager.done("DELETE", path)["ended"] == 0
    assert AuditEntry.objects.filter(action="end client tokens").count() == 1


def test_whose_scopes_do_not_reach_so_far_is_refused(consumer, path):
    reader = Manager(*create_management_key(name="looks", who="root", scopes=["read"]))

    assert reader("GET", path).status_code == 200
    refused(reader("DELETE", path), 403, "scope_not_allowed")
    refused(make_manager()("GET", "keys/99999/client_tokens"), 404, "not_found", "key_id")


def logged_in(*rights):
    user = get_user_model().objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_the_page_of_a_key_leads_to_them_and_ends_them(consumer):
    token = with_token(consumer, create={"tasks": 3, "usd": "1"})
    token.generate()
    client = logged_in("view_virtualkey", "change_virtualkey")
    address = f"/admin/keys/{consumer.key.pk}/client-tokens/"
    assert address in client.get(f"/admin/keys/virtualkey/{consumer.key.pk}/change/").content.decode()

    with CaptureQueriesContext(
        connection,
    ) as asked:
        page = client.get(address).content.decode()
    assert f"{token.secret[:15]}…" in page
    assert "1 of 3" in page
    assert token.secret not in page
    assert len([query for query in asked if "clienttoken" in query["sql"]]) == 2

    answer = client.post(address, follow=True).content.decode()
    assert "Ended 1 client token of" in answer
    assert "None is open." in answer
    assert AuditEntry.objects.first().who == "vera"


def test_who_may_only_view_ends_none(consumer):
    token = with_token(consumer)
    client = logged_in("view_virtualkey")
    address = f"/admin/keys/{consumer.key.pk}/client-tokens/"

    assert "End 1 client token" not in client.get(address).content.decode()
    assert client.post(address).status_code == 403
    assert token.get("/v1/tasks").status_code == 200
