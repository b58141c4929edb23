"""/v1/admin/accounts"""

import json

import pytest

from conduit import clock
from keys.models import AuditEntry
from tests.support.accounts import add_account
from tests.support.audits import forget_audit
from tests.support.envelopes import refused
from tests.support.lookalike import Answer, LookAlike
from tests.support.managing import make_manager
from videos.account_models import ProviderAccount

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

KEY = "mm-key-that-nobody-sees-again"
NEW = {"name": "east", "kind": "minimax_v1", "base_url": "https://reseller.example/minimax/v1/", "key": KEY}


@pytest.fixture
def manager(db):
    manager = make_manager("ops")
    forget_audit()
    return manager


@pytest.fixture
def east():
    with LookAlike(key="east-key") as server:
        yield add_account("east", server.url, "east-key"), server


def test_an_account_is_made_read_listed_changed_and_deleted_and_each_change_is_audited_without_its_key(manager, settings):
    answer = manager("POST", "accounts", NEW | {"models": ["minimax-video"], "creates_per_minute": 20, "monthly_limit": "100"})
    made = answer.json()

    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/admin/accounts/{made['id']}")
    assert made == {
        "id": made["id"], "object": "account", "name": "east", "kind": "minimax_v1", "base_url": "https://reseller.example/minimax",
        "from_environment": False, "has_key": True, "key_set_at": made["key_set_at"], "state": "on", "models": ["minimax-video"],
        "inputs": ["first_frame", "last_frame", "reference"], "weight": 10,
        "creates_per_minute": 20, "jobs_in_flight": None, "monthly_limit": "100.0000",
        "health": {
            "set_aside_for": None, "since": None, "provider_code": None, "message": None, "next_try_at": None, "creates_per_minute": 20,
            "models_not_in_plan": [], "seconds_between_questions": settings.MINIMAX_POLL_SECONDS,
        },
        "in_flight": 0, "spent_this_month": "0.0000", "created_at": made["created_at"],
    }  # fmt: skip
    path = f"accounts/{made['id']}"
    assert manager.done("GET", path) == made
    assert [account["name"] for account in manager.done("GET", "accounts")["data"]] == ["east", "environment (V2)", "environment (V1)"]
    fields = {"state": "draining", "models": None, "inputs": ["first_frame"], "key": "another", "weight": 1}
    changed = manager.done("PATCH", path, fields)
    assert (changed["state"], changed["models"], changed["inputs"], changed["weight"]) == ("draining", [], ["first_frame"], 1)
    assert ProviderAccount.objects.get(pk=made["id"]).key == "another"
    assert manager.done("DELETE", path) == {"id": made["id"], "object": "account", "deleted": True}
    refused(manager("GET", path), 404, "not_found", param="account_id")

    rows = AuditEntry.objects.order_by("id")
    assert [(row.action, row.target, row.who) for row in rows] == [
        (action, f"provideraccount:{made['id']}", str(manager.key)) for action in ("create", "change", "delete")
    ]
    assert rows[1].changes["state"] == ["on", "draining"]
    assert "key_set_at" in rows[1].changes
    written = json.dumps([row.changes for row in rows])
    assert KEY not in written
    assert "sealed" not in written


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"inputs": ["sound"]}, "inputs"),
        ({"base_url": "ftp://minimax.example"}, "base_url"),
        ({"base_url": "https://user:secret@minimax.example"}, "base_url"),
        ({"base_url": "https://minimax.example/?key=1"}, "base_url"),
        ({"base_url": "https://10.0.0.5"}, "base_url"),
        ({"base_url": "https://minimax.example:99999"}, "base_url"),
        ({"key": "  "}, "key"),
        ({"key": "with a space"}, "key"),
        ({"models": ["nobody"]}, "models"),
        ({"weight": 0}, "weight"),
        ({"weight": 101}, "weight"),
        ({"creates_per_minute": 0}, "creates_per_minute"),
        ({"monthly_limit": -1}, "monthly_limit"),
        ({"state": "away"}, "state"),
        ({"kind": "openai"}, "kind"),
        ({"name": "environment (V1)"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_an_account_is_named(manager, fields, param):
    answer = manager("POST", "accounts", NEW | fields)

    refused(answer, 400, "invalid_request", param=param)
    assert "secret" not in answer.content.decode()
    assert ProviderAccount.objects.filter(from_environment=False).count() == 0


def test_the_environments_account_is_switched_and_bounded_here_and_gets_its_key_there(manager):
    account = ProviderAccount.objects.environments("minimax_v1")
    path = f"accounts/{account.pk}"

    refused(manager("PATCH", path, {"key": "k"}), 400, "invalid_request", param="key")
    refused(manager("PATCH", path, {"base_url": "https://minimax.example"}), 400, "invalid_request", param="base_url")
    refused(manager("DELETE", path), 409, "conflict")
    shown = manager.done("PATCH", path, {"state": "off", "creates_per_minute": 5})

    assert (shown["state"], shown["creates_per_minute"], shown["from_environment"]) == ("off", 5, True)


def test_an_account_that_made_videos_is_not_deleted(manager, consumer, driver, minimax):
    driver.step(consumer.generate()["task_id"])

    account = add_account("east", "https://minimax.example", "k")
    consumer.key.tasks.get().video.clips.update(account=account)

    refused(manager("DELETE", f"accounts/{account.pk}"), 409, "conflict")


def test_a_test_costs_nothing_says_what_is_wrong_and_is_audited(manager, east):
    account, server = east
    path = f"accounts/{account.pk}/test"

    fine = manager.done("POST", path)
    assert (fine["object"], fine["ok"]) == ("account_test", True)
    server.key = "another"
    wrong = manager.done("POST", path)

    assert not wrong["ok"]
    assert "does not accept" in wrong["message"]
    assert ProviderAccount.objects.get(pk=account.pk).cause == "account_key"
    assert {request.call for request in server.requests} == {"query"}
    assert [row.action for row in AuditEntry.objects.order_by("id")] == ["test", "test"]
    server.key = "east-key"
    assert manager.done("POST", path)["ok"]
    assert ProviderAccount.objects.get(pk=account.pk).cause == ""


def test_a_test_of_version_2_asks_for_a_list_of_one(manager, east):
    _, server = east
    account = add_account("v2", server.url, "east-key", kind="minimax_v2")

    assert manager.done("POST", f"accounts/{account.pk}/test")["ok"]
    assert server.requests[-1].query["page_size"] == "1"
    server.next("list", Answer(http=503, body=b"{}"))
    assert not manager.done("POST", f"accounts/{account.pk}/test")["ok"]


def test_another_key_makes_an_account_that_was_set_aside_one_that_nothing_is_known_against(manager, settings):
    account = add_account("east", "https://minimax.example", "k", cause="account_key", since=clock.now(), code=1004, pace=3.0)

    shown = manager.done("PATCH", f"accounts/{account.pk}", {"weight": 3})
    assert shown["health"]["provider_code"] == 1004
    shown = manager.done("PATCH", f"accounts/{account.pk}", {"key": "right"})

    assert shown["health"] == {
        "set_aside_for": None, "since": None, "provider_code": None, "message": None, "next_try_at": None, "creates_per_minute": None,
        "models_not_in_plan": [], "seconds_between_questions": settings.MINIMAX_POLL_SECONDS,
    }  # fmt: skip


def test_accounts_are_for_who_may_operate(consumer):
    reader = make_manager("reader", scopes=["read"])

    assert reader("GET", "accounts").status_code == 200
    refused(reader("POST", "accounts", NEW), 403, "scope_not_allowed")
    account = ProviderAccount.objects.environments("minimax_v1")
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        refused(reader(method, f"accounts/{account.pk}{path}", {}), 403, "scope_not_allowed")
    refused(consumer.get("/v1/admin/accounts"), 401, "invalid_api_key")


def test_the_account_stands_with_each_clip_for_who_runs_the_place(manager, consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)

    assert manager.done("GET", f"tasks/{task_id}")["clips"][0]["account"] == "environment (V1)"
