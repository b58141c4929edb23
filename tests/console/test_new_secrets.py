"""A new secret waits for ten minutes, encrypted in its maker's session, at an address that makes nothing anew."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from conduit import clock
from keys.models import AuditEntry, KeySecret, ManagementKey, VirtualKey
from keys.services import create_management_key, rotate_key
from tests.support.secrets import secrets_on

pytestmark = pytest.mark.django_db

NO_ROWS = {f"{name}-{count}_FORMS": 0 for name in ("budgets", "secrets") for count in ("TOTAL", "INITIAL")}
KEYS, MANAGEMENT = "/admin/keys/virtualkey/", "/admin/keys/managementkey/"


def make(admin, made_by, consumer):
    """The answer to the form by which a secret is made."""
    match made_by:
        case "key":
            return admin.post(f"{KEYS}add/", NO_ROWS | {"name": "ann", "enabled": "on"})
        case "rotation":
            return admin.post(f"{KEYS}{consumer.key.pk}/rotate/", {"old": "later", "replacing": consumer.key.secrets.first().prefix})
        case "management key":
            return admin.post(f"{MANAGEMENT}add/", {"name": "billing", "enabled": "on", "scopes": ["read"]})
    key, _ = create_management_key(name="ops", who="root")
    return admin.post(f"{MANAGEMENT}{key.pk}/rotate/", {"old": "now", "replacing": key.prefix})


EVERY_WAY = pytest.mark.parametrize("made_by", ["key", "rotation", "management key", "rotation of a management key"])


@EVERY_WAY
def test_its_page_is_loaded_as_often_as_one_likes_and_makes_nothing_anew(admin, consumer, made_by):
    where = make(admin, made_by, consumer).headers["Location"]
    audited = AuditEntry.objects.count()

    first, again = admin.get(where), admin.get(where)

    assert (first.status_code, "no-store" in first.headers["Cache-Control"]) == (200, True)
    assert secrets_on(first) == secrets_on(again)
    assert len(secrets_on(first)) == 1
    assert secrets_on(first)[0] not in where
    assert AuditEntry.objects.count() == audited


@EVERY_WAY
def test_it_is_in_no_answer_to_a_form_in_no_cookie_in_no_row_and_in_no_log(admin, consumer, caplog, made_by):
    caplog.set_level(logging.DEBUG)

    answer = make(admin, made_by, consumer)
    [secret] = secrets_on(admin.get(answer.headers["Location"]))

    assert secret not in answer.content.decode() + str(answer.headers)
    for value in (morsel.value for morsel in [*answer.cookies.values(), *admin.cookies.values()]):
        # Messages travel signed, and may be packed: what they hold is read as Django reads it.
        assert "secret" not in str(CookieStorage(None)._decode(value)).lower()
        assert secret not in value
    assert secret not in str([session.get_decoded() for session in Session.objects.all()])
    assert secret not in caplog.text
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert secret not in str(cursor.fetchall())


@EVERY_WAY
def test_after_ten_minutes_it_is_shown_no_more_and_the_session_forgets_it(admin, consumer, time_travel, made_by):
    began = clock.now().replace(microsecond=0)
    time_travel.move_to(began, tick=False)
    where = make(admin, made_by, consumer).headers["Location"]

    time_travel.move_to(began + timedelta(minutes=10), tick=False)
    assert secrets_on(admin.get(where))
    time_travel.move_to(began + timedelta(minutes=10, seconds=1), tick=False)
    late = admin.get(where)

    assert (late.status_code, secrets_on(late), "shown no more" in late.content.decode()) == (410, [], True)
    assert Session.objects.get().get_decoded()["new_secrets"] == {}


def test_nobody_else_sees_it_nor_another_key_s_page(admin, consumer, make_consumer):
    where = make(admin, "rotation", consumer).headers["Location"]
    other = Client()
    other.force_login(get_user_model().objects.create_superuser("bob", password="a long password"))

    assert (other.get(where).status_code, secrets_on(other.get(where))) == (410, [])
    elsewhere = where.replace(f"/{consumer.key.pk}/", f"/{make_consumer('x').key.pk}/")
    assert (admin.get(elsewhere).status_code, secrets_on(admin.get(elsewhere))) == (410, [])


def test_who_logs_out_sees_it_no_more(admin, consumer):
    where = make(admin, "key", consumer).headers["Location"]
    admin.post("/admin/logout/")
    admin.force_login(get_user_model().objects.get(username="root"))

    assert admin.get(where).status_code == 410


def test_another_secret_key_of_the_place_opens_it_while_the_old_one_is_a_fallback(admin, consumer, settings):
    where = make(admin, "key", consumer).headers["Location"]
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key of this place, as long as it takes"
    settings.SECRET_KEY_FALLBACKS = [old]

    assert len(secrets_on(admin.get(where))) == 1


def test_a_rotation_that_is_sent_twice_rotates_once_and_leads_back_to_the_secret(admin, consumer):
    form = {"old": "now", "replacing": consumer.key.secrets.get().prefix}
    first, again = (admin.post(f"{KEYS}{consumer.key.pk}/rotate/", form, follow=True) for _ in range(2))

    assert "was rotated meanwhile" in again.content.decode()
    assert first.redirect_chain[0][0] in again.content.decode()
    assert KeySecret.objects.count() == 2


def test_a_management_key_too_is_rotated_once_by_a_form_that_is_sent_twice(admin):
    key, _ = create_management_key(name="ops", who="root")
    for _ in range(2):
        admin.post(f"{MANAGEMENT}{key.pk}/rotate/", {"old": "now", "replacing": key.prefix})

    assert AuditEntry.objects.filter(action="rotate").count() == 1
    assert ManagementKey.objects.get().prefix != key.prefix


def test_before_an_old_secret_ends_a_page_says_who_uses_it(admin, consumer):
    consumer.generate()
    rotate_key(consumer.key, who="root")
    VirtualKey.objects.update(last_used_at="2026-01-31T12:00:00Z", last_used_from="10.1.2.3")

    text = admin.get(f"{KEYS}{consumer.key.pk}/rotate/").content.decode()

    assert "2026-01-31 12:00:00 UTC</time> from 10.1.2.3" in text
    assert "1 task in flight" in " ".join(text.split())
    assert "1 task asked for" in text
    assert all(f"{secret.prefix}…" in text for secret in KeySecret.objects.all())
    assert KeySecret.objects.count() == 2


def test_the_page_of_a_secret_says_a_call_that_works_as_it_stands(admin, consumer, settings):
    settings.PUBLIC_URL = "https://video.example.com"
    for made_by, path in (("key", "/v1/key"), ("management key", "/v1/admin/key")):
        answer = admin.get(make(admin, made_by, consumer).headers["Location"])
        [secret] = secrets_on(answer)

        assert f"curl https://video.example.com{path} -H &quot;Authorization: Bearer {secret}&quot;" in answer.content.decode()
        assert Client().get(path, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
