"""What a row of the audit says, and that nobody changes one."""

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.test import Client

from keys import audit, budget_owners
from keys.models import AuditEntry, Team
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def team():
    return Team.objects.create(name="film")


def newest():
    return AuditEntry.objects.latest("pk")


def test_a_row_names_its_target_and_its_kind(team):
    audit.record(action="look at", target=team, times=3)

    row = newest()
    assert (row.who, row.target, row.target_kind, row.target_name) == ("command line", f"team:{team.pk}", "team", "film")
    assert (row.actor, row.address, row.changes) == ("", "", {"times": 3})


def test_what_is_no_row_can_be_a_target_too():
    audit.record(who=audit.NOBODY, action="lock", target="address:10.0.0.1")

    assert (newest().who, newest().target_kind, newest().target_name) == ("not logged in", "address", "")


def test_what_is_named_like_a_secret_is_left_out(team):
    audit.record(action="create", target=team, password="x", secret_hash="x", prefix="condt_1", nested={"token": "x", "kept": 1})

    assert newest().changes == {"prefix": "condt_1", "nested": {"kept": 1}}


def test_a_program_is_known_by_its_key_and_the_address_that_our_own_proxy_names(settings):
    settings.TRUSTED_PROXIES = [*settings.TRUSTED_PROXIES, *_networks("127.0.0.1")]
    manager = make_manager("ops")
    manager("POST", "teams", {"name": "film"}, **{"X-Forwarded-For": "1.2.3.4, 203.0.113.7"})

    row = newest()
    assert (row.who, row.actor, row.address) == (str(manager.key), f"management_key:{manager.key.pk}", "203.0.113.7")


def test_an_account_is_known_by_its_row(team):
    root = get_user_model().objects.create_superuser("root", password="a long password")
    client = Client(REMOTE_ADDR="198.51.100.4")
    client.force_login(root)
    client.post("/admin/auth/group/add/", {"name": "lookers"})

    row = newest()
    assert (row.who, row.actor, row.address) == ("root", f"user:{root.pk}", "198.51.100.4")


def test_what_a_rule_does_on_the_way_of_a_request_is_not_the_doing_of_whoever_sent_it():
    manager = make_manager("ops")
    first = manager.done("POST", "pauses", {"kind": "media"})
    from tasks.models import Pause

    Pause.objects.update(until="2020-01-01T00:00:00Z")
    manager.done("POST", "pauses", {"kind": "media"})

    row = AuditEntry.objects.get(target=f"pause:{first['id']}", action="resume")
    assert (row.who, row.actor, row.address) == ("the pause's own end", "", "")


def test_after_a_request_its_thread_knows_nobody(team):
    make_manager("ops")("POST", "teams", {"name": "sound"})
    audit.record(action="look at", target=team)

    assert (newest().who, newest().address) == ("command line", "")


def test_a_row_is_never_changed_or_deleted(team):
    budget_owners.change(team, who="ann", name="sound")
    row = newest()

    for forbidden in (row.save, row.delete, AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(who="bob")):
        with pytest.raises(TypeError, match="never changed or deleted"):
            forbidden()


@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.parametrize("statement", ["UPDATE keys_auditentry SET who = 'bob'", "DELETE FROM keys_auditentry"])
def test_postgresql_refuses_to_change_or_delete_a_row(team, statement):
    budget_owners.change(team, who="ann", name="sound")

    with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert newest().who == "ann"


def _networks(*addresses):
    from ipaddress import ip_network

    return [ip_network(address) for address in addresses]
