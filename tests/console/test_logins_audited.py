"""Log-ins, log-outs and failed log-ins are rows of the audit."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from keys.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PASSWORD = "a long password"


@pytest.fixture
def ann():
    return get_user_model().objects.create_superuser("ann", password=PASSWORD)


def log_in(name, password=PASSWORD, client=None):
    return (client or Client(REMOTE_ADDR="198.51.100.4")).post("/admin/login/", {"username": name, "password": password})


def audited():
    return [(row.who, row.action, row.target, row.target_name) for row in AuditEntry.objects.order_by("id")]


def test_a_log_in_and_the_log_out_say_who_and_from_where(ann):
    client = Client(REMOTE_ADDR="198.51.100.4")
    log_in("ann", client=client)
    client.post("/admin/logout/")

    assert audited() == [("ann", "log in", f"user:{ann.pk}", "ann"), ("ann", "log out", f"user:{ann.pk}", "ann")]
    assert set(AuditEntry.objects.values_list("address", "actor")) == {("198.51.100.4", f"user:{ann.pk}")}


def test_a_wrong_password_names_the_account_that_it_was_tried_on(ann):
    log_in("ann", "wrong")

    assert audited() == [("not logged in", "fail to log in", f"user:{ann.pk}", "ann")]
    assert list(AuditEntry.objects.values_list("address", "actor", "changes")) == [("198.51.100.4", "", {})]


@pytest.mark.parametrize("typed", ["nobody", PASSWORD])
def test_a_name_that_no_account_has_is_not_kept_for_it_may_be_a_password(ann, typed):
    log_in(typed, "wrong")

    assert audited() == [("not logged in", "fail to log in", "unknown account", "")]
    assert typed not in str(list(AuditEntry.objects.values()))


def test_a_right_password_of_an_account_that_may_not_enter_is_told(ann):
    visitor = get_user_model().objects.create_user("visitor", password=PASSWORD)
    log_in("visitor")

    assert audited() == [("not logged in", "fail to log in", f"user:{visitor.pk}", "visitor")]
    assert AuditEntry.objects.get().changes == {"because": "the account may not enter the console"}


def test_a_failed_log_in_by_whoever_is_logged_in_is_nobodys_but_says_from_where(ann):
    client = Client(REMOTE_ADDR="198.51.100.4")
    client.force_login(ann)
    log_in("ann", "wrong", client=client)

    row = AuditEntry.objects.latest("pk")
    assert (row.who, row.actor, row.address) == ("not logged in", "", "198.51.100.4")


def test_ones_own_password_leaves_a_row_when_it_was_changed_and_none_when_it_was_not(ann):
    client = Client()
    client.force_login(ann)
    before = AuditEntry.objects.count()
    wrong = {"old_password": "wrong", "new_password1": "another long one", "new_password2": "another long one"}

    client.post("/admin/password_change/", wrong)
    assert AuditEntry.objects.count() == before
    client.post("/admin/password_change/", wrong | {"old_password": PASSWORD})
    assert audited()[before:] == [("ann", "set password", f"user:{ann.pk}", "ann")]


def test_a_lock_on_a_name_that_no_account_has_does_not_tell_it(ann):
    for _ in range(6):
        log_in(PASSWORD, "wrong")

    locked = AuditEntry.objects.get(action="lock")
    assert (locked.changes["kind"], locked.changes["name"], locked.target_name) == ("pair", "", "")
    assert PASSWORD not in str(list(AuditEntry.objects.values()))
