"""Who may call /v1/admin/, and who may not."""

import hashlib
import re

import pytest
from django.test import Client

from keys.models import AuditEntry
from keys.services import create_management_key
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = pytest.mark.django_db

PATHS = [
    ("GET", "keys"),
    ("POST", "keys"),
    ("GET", "keys/1"),
    ("PATCH", "keys/1"),
    ("DELETE", "keys/1"),
    ("POST", "keys/1/rotate"),
    ("GET", "teams"),
    ("POST", "teams"),
    ("GET", "teams/1"),
    ("PATCH", "teams/1"),
    ("DELETE", "teams/1"),
    ("GET", "usage"),
]


@pytest.fixture
def manager(db):
    return make_manager()


def test_a_management_secret_has_a_prefix_of_its_own_and_256_random_bits_and_only_its_hash_is_stored():
    key, secret = create_management_key(name="billing", who="root")

    assert re.fullmatch(r"condt_admin_[\w-]{43}", secret)
    assert key.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(key.prefix)
    assert secret not in str(AuditEntry.objects.values())


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_virtual_key_opens_nothing_here_and_is_told_why(consumer, method, path):
    answer = Client().generic(method, f"/v1/admin/{path}", headers={"X-API-Key": consumer.secret})

    assert "management key" in refused(answer, 401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/key"), ("GET", "/v1/usage"), ("GET", "/v1/tasks"), ("POST", "/v1/video/generations")]
)
def test_a_management_key_opens_nothing_else_and_is_told_why(manager, method, path):
    answer = Client().generic(method, path, headers={"Authorization": f"Bearer {manager.secret}"})

    assert "/v1/admin/" in refused(answer, 401, "invalid_api_key")


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("secret", ["condt_admin_" + "A" * 43, "condt_admin_", "nonsense", "' OR 1=1 --"])
def test_a_management_key_that_nobody_has_is_401(db, method, path, secret):
    refused(Client().generic(method, f"/v1/admin/{path}", headers={"X-API-Key": secret}), 401, "invalid_api_key")


def test_no_key_is_401_and_says_which_to_send(client, db):
    message = refused(client.get("/v1/admin/keys"), 401, "invalid_api_key")

    assert "Send a management key as `Authorization: Bearer condt_admin_…`" in message


def test_a_disabled_management_key_is_refused_with_its_own_code(manager):
    manager.key.enabled = False
    manager.key.save(update_fields=["enabled"])

    refused(manager("GET", "keys"), 401, "api_key_disabled")


def test_a_wrong_management_key_costs_the_one_query_of_a_right_one(manager, django_assert_num_queries):
    for secret in (manager.secret, "condt_admin_wrong", "condt_wrong"):
        with django_assert_num_queries(1):
            Client().generic("PUT", "/v1/admin/keys", headers={"X-API-Key": secret})


def test_a_login_of_the_console_opens_nothing_here(admin_client):
    refused(admin_client.get("/v1/admin/keys"), 401, "invalid_api_key")


@pytest.mark.parametrize("path", ["keys/7", "keys/x", "keys/-1", "keys/99999999999999999999", "keys/\u0661", "keys/7/rotate", "teams/7"])
def test_what_does_not_exist_is_404(manager, path):
    method = "POST" if path.endswith("rotate") else "GET"

    refused(manager(method, path), 404, "not_found", "team_id" if "teams" in path else "key_id")


def test_other_methods_are_405(manager):
    refused(manager("PUT", "keys"), 405, "method_not_allowed")
