"""What a management key may do, from where, how often and for how long; and how it gets a new secret."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from conduit import clock
from keys.jobs import note_last_uses
from keys.models import AuditEntry, ManagementKey, Scope, VirtualKey
from keys.services import create_key, create_management_key, rotate_management_key
from tests.support.envelopes import refused
from tests.support.managing import Manager, make_manager

pytestmark = pytest.mark.django_db

BUDGET = [{"period": "daily", "amount": "1.00"}]
# Each call, by the scopes that it takes.
CALLS = [
    ({"read"}, "GET", "keys", None),
    ({"read"}, "GET", "keys/KEY", None),
    ({"read"}, "GET", "teams", None),
    ({"read"}, "GET", "usage", None),
    ({"keys"}, "POST", "keys", {"name": "ann"}),
    ({"keys", "money"}, "POST", "keys", {"name": "ann", "budgets": BUDGET}),
    ({"keys"}, "PATCH", "keys/KEY", {"enabled": False}),
    ({"money"}, "PATCH", "keys/KEY", {"budgets": BUDGET}),
    ({"keys", "money"}, "PATCH", "keys/KEY", {"name": "bob", "budgets": BUDGET}),
    ({"keys"}, "POST", "keys/KEY/rotate", {}),
    ({"keys"}, "DELETE", "keys/KEY", None),
    ({"keys"}, "POST", "teams", {"name": "film"}),
    ({"keys", "money"}, "POST", "teams", {"name": "film", "budgets": BUDGET}),
    (set(), "GET", "key", None),
    (set(), "POST", "key/rotate", {}),
]


def manager_with(**bounds):
    return Manager(*create_management_key(name="ops", who="root", **bounds))


@pytest.mark.parametrize(("takes", "method", "path", "body"), CALLS)
def test_a_call_takes_its_scopes_and_no_other(takes, method, path, body):
    key, _ = create_key(name="ann")
    path = path.replace("KEY", str(key.pk))

    for missing in takes:
        lacking = manager_with(scopes=[scope for scope in Scope.values if scope != missing])
        message = refused(lacking(method, path, body), 403, "scope_not_allowed")
        assert f"`{missing}`" in message
    assert VirtualKey.objects.get().enabled
    assert manager_with(scopes=sorted(takes))(method, path, body).status_code in (200, 201)


def test_a_management_key_knows_what_it_may_do():
    shown = manager_with(scopes=["read"], ip_ranges=["127.0.0.0/8"], calls_per_minute=7).done("GET", "key")

    assert (shown["object"], shown["name"], shown["scopes"]) == ("management_key", "ops", ["read"])
    assert shown["limits"] == {"calls_per_minute": 7, "ip_ranges": ["127.0.0.0/8"]}


def test_a_management_key_is_refused_from_where_it_may_not_be_used():
    refused(manager_with(ip_ranges=["203.0.113.0/24"])("GET", "keys"), 403, "ip_not_allowed")


def test_a_management_key_ends(time_travel):
    manager = manager_with(expires_at=clock.now() + timedelta(hours=1))
    assert manager("GET", "keys").status_code == 200

    time_travel.move_to(clock.now() + timedelta(seconds=3601))

    assert "expired" in refused(manager("GET", "keys"), 401, "api_key_expired")


def test_a_management_key_has_a_rate_of_its_own_and_is_told_how_it_stands():
    manager, other = manager_with(calls_per_minute=2), make_manager()

    assert manager("GET", "keys").headers["X-RateLimit-Remaining-Requests"] == "1"
    manager("GET", "keys")
    limited = manager("GET", "keys")

    assert "2 calls in any minute" in refused(limited, 429, "rate_limit_exceeded")
    assert int(limited.headers["Retry-After"]) > 50
    assert other("GET", "keys").status_code == 200


def test_a_rotated_secret_works_for_its_grace_time_and_only_the_last_one_does(time_travel):
    first = make_manager()
    second = Manager(first.key, first.done("POST", "key/rotate", {"grace_seconds": 60})["secret"])
    assert [manager("GET", "keys").status_code for manager in (first, second)] == [200, 200]

    third = Manager(first.key, rotate_management_key(second.key, who="root"))
    assert [manager("GET", "keys").status_code for manager in (first, second, third)] == [401, 200, 200]

    time_travel.move_to(clock.now() + timedelta(hours=24, seconds=1))
    assert [manager("GET", "keys").status_code for manager in (second, third)] == [401, 200]
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["create", "rotate", "rotate"]


def test_a_secret_that_was_replaced_cannot_take_the_key_over():
    first = make_manager()
    second = Manager(first.key, first.done("POST", "key/rotate")["secret"])

    refused(first("POST", "key/rotate", {"grace_seconds": 0}), 403, "permission_denied")
    assert [manager("GET", "keys").status_code for manager in (first, second)] == [200, 200]


def test_a_rotation_without_grace_ends_the_old_secret_at_once():
    first = make_manager()
    again = first.done("POST", "key/rotate", {"grace_seconds": 0})

    refused(first("GET", "keys"), 401, "invalid_api_key")
    assert Manager(first.key, again["secret"])("GET", "keys").status_code == 200


def test_its_last_use_is_noted_beside_those_of_virtual_keys(consumer):
    manager = make_manager()
    consumer.get("/v1/tasks")
    manager("GET", "keys")

    note_last_uses()

    assert ManagementKey.objects.get().last_used_from == "127.0.0.1"
    assert VirtualKey.objects.get().last_used_from == "127.0.0.1"


def test_the_command_makes_a_key_with_bounds(capfd):
    call_command(
        "create_management_key", "ops", "--scopes", "keys, read", "--expires", "2031-01-31", "--rpm", "60", "--ips", "10.0.0.0/8,::1"
    )

    key = ManagementKey.objects.get()
    assert (key.scopes, key.calls_per_minute, key.ip_ranges) == (["read", "keys"], 60, ["10.0.0.0/8", "::1"])
    assert key.expires_at
    assert key.expires_at.year == 2031


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--scopes", "everything"], "--scopes"),
        (["--scopes", ""], "--scopes"),
        (["--expires", "2020-01-01"], "--expires"),
        (["--rpm", "0"], "--rpm"),
        (["--ips", "10.0.0.0/99"], "--ips"),
    ],
)
def test_the_command_refuses_bounds_that_are_none_by_the_option(arguments, named):
    with pytest.raises(CommandError, match=f"^{named} "):
        call_command("create_management_key", "ops", *arguments)


def member(*codenames):
    user = get_user_model().objects.create_user("mo", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


MAY_ADD = ("add_managementkey", "change_managementkey", "view_managementkey", "view_virtualkey")


def test_a_member_of_staff_gives_a_key_only_what_he_may_do_himself():
    staff = member(*MAY_ADD)

    beyond = staff.post("/admin/keys/managementkey/add/", {"name": "ops", "enabled": "on", "scopes": ["read", "money"]})
    assert "scopes" in beyond.context["adminform"].form.errors
    staff.post("/admin/keys/managementkey/add/", {"name": "ops", "enabled": "on", "scopes": ["read"]})

    assert ManagementKey.objects.get().scopes == ["read"]


def test_a_member_of_staff_can_neither_change_nor_rotate_a_key_that_may_more():
    staff, manager = member(*MAY_ADD), make_manager()

    assert staff.post(f"/admin/keys/managementkey/{manager.key.pk}/change/", {"name": "mine", "scopes": ["read"]}).status_code == 403
    rotation = {"old": "now", "replacing": manager.key.prefix}
    assert staff.post(f"/admin/keys/managementkey/{manager.key.pk}/rotate/", rotation).status_code == 403

    assert manager("GET", "keys").status_code == 200


def test_an_administrator_rotates_a_management_key_in_the_console(admin_client):
    manager = make_manager()

    rotation = {"old": "now", "replacing": manager.key.prefix}
    page = admin_client.post(f"/admin/keys/managementkey/{manager.key.pk}/rotate/", rotation, follow=True)

    assert page.context["waiting"].secret.startswith("condt_admin_")
    assert manager("GET", "keys").status_code == 401
