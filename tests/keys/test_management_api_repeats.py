"""Idempotency-Key on what /v1/admin/ makes: done once, and the secret kept nowhere."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from conduit.api.idempotency import Idempotency
from conduit.api.models import KeptAnswer
from keys.models import AuditEntry, KeySecret, Team, VirtualKey
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from tests.support.racing import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

ONCE = {"Idempotency-Key": "k"}


@pytest.fixture
def manager(db):
    return make_manager()


def works(secret):
    return Client().get("/v1/key", headers={"X-API-Key": secret}).status_code == 200


def stored():
    """Everything that is written anywhere."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            yield str(cursor.fetchall())


def test_a_key_that_is_made_again_with_the_same_header_is_made_once_and_its_secret_shown_once(manager):
    first = manager("POST", "keys", {"name": "ann", "budgets": [{"period": "daily", "amount": 2}]}, **ONCE)
    again = manager("POST", "keys", {"name": "ann", "budgets": [{"period": "daily", "amount": 2}]}, **ONCE)

    secret = first.json()["secret"]
    assert works(secret)
    assert (first.status_code, again.status_code) == (201, 201)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert "secret_note" not in first.json()
    assert again.json() == first.json() | {"secret": None, "secret_note": again.json()["secret_note"]}
    assert "rotate" in again.json()["secret_note"]
    assert again.headers["Location"] == first.headers["Location"]
    assert "no-store" in again.headers["Cache-Control"]
    assert (VirtualKey.objects.count(), AuditEntry.objects.filter(target__startswith="key:").count()) == (1, 1)
    assert not any(secret in table for table in stored())


def test_a_rotation_that_is_sent_again_rotates_once(manager):
    key = manager.done("POST", "keys", {"name": "ann"})
    first, again = (manager("POST", f"keys/{key['id']}/rotate", {"grace_seconds": 0}, **ONCE) for _ in range(2))

    assert works(first.json()["secret"])
    assert (again.status_code, again.json()["secret"]) == (200, None)
    assert KeySecret.objects.count() == 2
    assert not any(first.json()["secret"] in table for table in stored())


def test_a_team_that_is_made_again_gets_the_first_answer_and_not_that_its_name_is_taken(manager):
    first, again = (manager("POST", "teams", {"name": "film"}, **ONCE) for _ in range(2))

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Team.objects.count() == 1
    refused(manager("POST", "teams", {"name": "film"}, **{"Idempotency-Key": "other"}), 400, "invalid_request", "name")


def test_another_body_is_a_conflict_and_does_nothing(manager):
    manager("POST", "keys", {"name": "ann"}, **ONCE)

    refused(manager("POST", "keys", {"name": "bob"}, **ONCE), 409, "idempotency_conflict", "Idempotency-Key")
    assert VirtualKey.objects.get().name == "ann"


def test_a_call_that_was_refused_is_not_kept(manager):
    refused(manager("POST", "keys", {"name": ""}, **ONCE), 400, "invalid_request", "name")
    assert not KeptAnswer.objects.exists()

    assert manager("POST", "keys", {"name": "ann"}, **ONCE).json()["secret"]


def test_a_crash_half_way_leaves_neither_key_nor_claim(manager, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("keys.management_api._shown_key", lambda pk: 1 / 0)
        refused(manager("POST", "keys", {"name": "ann"}, **ONCE), 500, "internal_error")
    assert not VirtualKey.objects.exists()

    assert manager("POST", "keys", {"name": "ann"}, **ONCE).json()["secret"]


def test_the_same_header_of_another_management_key_is_independent(manager):
    other = make_manager("other")

    ids = {one("POST", "keys", {"name": "ann"}, **ONCE).json()["id"] for one in (manager, other)}

    assert len(ids) == 2


def test_a_virtual_keys_call_with_the_same_header_is_independent(manager, consumer):
    type(manager.key).objects.update(id=consumer.key.pk)  # ids of the two kinds of keys are counted apart

    made = manager("POST", "keys", {"name": "bob"}, **ONCE)
    task = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}, **ONCE)

    assert (made.status_code, task.status_code) == (201, 202)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_eight_at_once_make_one_key_and_one_of_them_is_given_its_secret():
    managers = [make_manager()]
    managers += [type(managers[0])(managers[0].key, managers[0].secret) for _ in range(7)]

    answers = in_threads(*[lambda one=one: one("POST", "keys", {"name": "ann"}, **ONCE) for one in managers])

    assert [answer.status_code for answer in answers] == [201] * 8
    assert len([answer for answer in answers if answer.json()["secret"]]) == 1
    assert VirtualKey.objects.count() == 1


def test_what_is_kept_says_that_a_management_key_or_an_account_asked(manager):
    manager("POST", "keys", {"name": "ann"}, **ONCE)

    assert [(kept.owner, kept.owner_kind) for kept in KeptAnswer.objects.all()] == [(manager.key.pk, "management_key")]
    assert Idempotency.of_form(owner=1, place="/admin/", form_id=uuid4()).owner_kind == "user"
