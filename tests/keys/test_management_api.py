"""/v1/admin/keys, teams and usage"""

import re
from decimal import Decimal

import pytest
from django.test import Client

from keys import budget_owners
from keys.models import AuditEntry, Budget, Team, VirtualKey
from keys.services import create_key
from tests.support.audits import forget_audit
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

LIMITS = {
    "creates_per_minute": 60,
    "creates_per_day": 1000,
    "reads_per_minute": 600,
    "tasks_in_flight": 3,
    "over_limit": "queue",
    "queue_max": 50,
    "tasks_per_hour": 20,
    "longest_seconds": 30,
    "largest_resolution": "1280x720",
    "highest_price": "0.5000",
    "price_factor": "0.8",
    "weight": 3,
    "priority": 1,
    "results_kept_days": 7,
    "prompts_kept_days": 30,
    "models": ["minimax-video"],
    "ip_ranges": ["10.0.0.0/8", "::1/128"],
}


@pytest.fixture
def manager(db):
    manager = make_manager()
    forget_audit()
    return manager


def audited():
    return [(row.action, row.target) for row in AuditEntry.objects.order_by("id")]


def test_a_key_is_made_with_everything_it_may_and_its_secret_is_shown_once(manager):
    team = manager.done("POST", "teams", {"name": "film"})
    budgets = [{"period": "daily", "amount": "2.00", "time_zone": "Europe/Berlin"}, {"period": "total", "amount": 10}]

    answer = manager(
        "POST",
        "keys",
        {"name": " ann ", "team": team["id"], "expires_at": "2031-01-31T13:00:00+01:00", "limits": LIMITS, "budgets": budgets},
    )

    assert answer.status_code == 201, answer.content
    made = answer.json()
    secret = made.pop("secret")
    assert re.fullmatch(r"condt_[\w-]{43}", secret)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Location"] == f"/v1/admin/keys/{made['id']}"
    assert manager.done("GET", f"keys/{made['id']}") == made
    assert (made["object"], made["name"], made["team"], made["enabled"]) == ("key", "ann", team["id"], True)
    assert made["expires_at"] == "2031-01-31T12:00:00.000Z"
    assert made["limits"] == LIMITS
    assert [(budget["period"], budget["time_zone"], budget["amount"], budget["left"]) for budget in made["budgets"]] == [
        ("daily", "Europe/Berlin", "2.0000", "2.0000"),
        ("total", "UTC", "10.0000", "10.0000"),
    ]
    assert [shown["prefix"] for shown in made["secrets"]] == [secret[:12]]


def test_a_new_key_works(manager):
    secret = manager.done("POST", "keys", {"name": "ann"})["secret"]

    assert Client().get("/v1/key", headers={"X-API-Key": secret}).json()["name"] == "ann"


def test_a_change_writes_what_is_named_and_leaves_the_rest(manager):
    key = manager.done("POST", "keys", {"name": "ann", "limits": LIMITS, "budgets": [{"period": "daily", "amount": 2}]})

    changed = manager.done("PATCH", f"keys/{key['id']}", {"enabled": False, "limits": {"creates_per_minute": 30, "tasks_in_flight": None}})

    assert (changed["name"], changed["enabled"]) == ("ann", False)
    assert changed["limits"] == LIMITS | {"creates_per_minute": 30, "tasks_in_flight": None}
    assert changed["budgets"] == key["budgets"]
    [entry] = AuditEntry.objects.filter(action="change")
    assert entry.changes == {"enabled": [True, False], "creates_per_minute": [60, 30], "tasks_in_flight": [3, None]}


def test_keys_and_teams_have_a_contact_that_null_takes_away(manager):
    key = manager.done("POST", "keys", {"name": "ann", "contact_email": "ann@example.com"})
    team = manager.done("POST", "teams", {"name": "film", "contact_email": " film@example.com "})

    assert (key["contact_email"], team["contact_email"]) == ("ann@example.com", "film@example.com")
    assert manager.done("PATCH", f"keys/{key['id']}", {"contact_email": None})["contact_email"] is None
    assert manager.done("PATCH", f"teams/{team['id']}", {"contact_email": None})["contact_email"] is None
    refused(manager("POST", "keys", {"name": "bob", "contact_email": "bob"}), 400, "invalid_request", "contact_email")


def test_null_lifts_every_limit_and_the_end(manager):
    key = manager.done("POST", "keys", {"name": "ann", "expires_at": "2031-01-31", "limits": LIMITS})

    changed = manager.done("PATCH", f"keys/{key['id']}", {"expires_at": None, "limits": dict.fromkeys(LIMITS)})

    assert changed["expires_at"] is None
    lifted = {"models": [], "ip_ranges": [], "over_limit": "refuse", "weight": 1, "priority": 0}
    assert changed["limits"] == dict.fromkeys(LIMITS) | lifted


def test_budgets_are_replaced_as_a_whole_and_raised_for_a_time(manager):
    key = manager.done("POST", "keys", {"name": "ann", "budgets": [{"period": "daily", "amount": 2}, {"period": "total", "amount": 9}]})
    raised = {"period": "daily", "amount": "2", "raised_to": "5.5", "raised_until": "2999-01-01T00:00:00Z"}

    changed = manager.done("PATCH", f"keys/{key['id']}", {"budgets": [raised]})

    [budget] = changed["budgets"]
    assert (budget["amount"], budget["raised_to"], budget["raised_until"]) == ("2.0000", "5.5000", "2999-01-01T00:00:00.000Z")
    assert (budget["limit"], budget["left"]) == ("5.5000", "5.5000")
    assert manager.done("PATCH", f"keys/{key['id']}", {"budgets": []})["budgets"] == []


def test_a_rotation_shows_the_new_secret_once_and_says_when_the_old_one_ends(manager):
    key = manager.done("POST", "keys", {"name": "ann"})

    answer = manager("POST", f"keys/{key['id']}/rotate", {"grace_seconds": 0})

    rotated = answer.json()
    assert answer.headers["Cache-Control"] == "private, no-store"
    for secret, status in ((key["secret"], 401), (rotated["secret"], 200)):
        assert Client().get("/v1/key", headers={"X-API-Key": secret}).status_code == status
    ends = {shown["prefix"]: shown["expires_at"] for shown in rotated["secrets"]}
    assert ends[rotated["secret"][:12]] is None
    assert ends[key["secret"][:12]]


def test_a_rotation_without_a_body_leaves_a_day(manager, time_travel):
    time_travel.move_to("2026-06-10T12:00:00Z", tick=False)
    key = manager.done("POST", "keys", {"name": "ann"})

    rotated = manager.done("POST", f"keys/{key['id']}/rotate")

    assert [shown["expires_at"] for shown in rotated["secrets"]] == [None, "2026-06-11T12:00:00.000Z"]


def test_a_deleted_key_is_read_but_no_longer_listed_used_or_changed(manager):
    key = manager.done("POST", "keys", {"name": "ann"})

    assert manager.done("DELETE", f"keys/{key['id']}")["deleted_at"]
    deleted = manager.done("DELETE", f"keys/{key['id']}")

    assert manager.done("GET", f"keys/{key['id']}") == deleted
    assert manager.done("GET", "keys")["data"] == []
    refused(Client().get("/v1/key", headers={"X-API-Key": key["secret"]}), 401, "invalid_api_key")
    for method, path in (("PATCH", ""), ("POST", "/rotate")):
        assert "deleted" in refused(manager(method, f"keys/{key['id']}{path}", {}), 409, "conflict")


def test_keys_are_listed_newest_first_in_pages(manager):
    made = [manager.done("POST", "keys", {"name": f"key {number}"})["id"] for number in range(5)][::-1]

    seen, query = [], ""
    while True:
        page = manager.done("GET", f"keys?limit=2{query}")
        ids = [key["id"] for key in page["data"]]
        assert (page["object"], page["first_id"], page["last_id"]) == ("list", ids[0], ids[-1])
        seen += ids
        if not page["has_more"]:
            break
        query = f"&after={page['last_id']}"

    assert seen == made


def test_keys_of_a_team_are_listed(manager):
    team = manager.done("POST", "teams", {"name": "film"})
    hers = manager.done("POST", "keys", {"name": "ann", "team": team["id"]})
    manager.done("POST", "keys", {"name": "bob"})

    assert [key["id"] for key in manager.done("GET", f"keys?team={team['id']}")["data"]] == [hers["id"]]


def test_a_list_shows_keys_as_a_read_does_and_no_secret(manager):
    made = manager.done("POST", "keys", {"name": "ann", "limits": LIMITS, "budgets": [{"period": "daily", "amount": 2}]})
    answer = manager("GET", "keys")

    assert answer.json()["data"] == [manager.done("GET", f"keys/{made['id']}")]
    assert made["secret"] not in answer.content.decode()
    assert VirtualKey.objects.get().secrets.get().secret_hash not in answer.content.decode()


def test_a_list_costs_five_queries_however_many_keys_and_budgets(manager, django_assert_num_queries):
    for _ in range(4):
        create_key(name="ann", budgets=[{"period": period, "amount": Decimal(1)} for period in ("daily", "total")])

    with django_assert_num_queries(5):  # the management key, keys, secrets, budgets, counters
        assert len(manager.done("GET", "keys")["data"]) == 4


def test_teams_are_made_renamed_given_budgets_listed_and_deleted(manager):
    team = manager.done("POST", "teams", {"name": "film", "budgets": [{"period": "monthly", "amount": "100"}]})
    changed = manager.done("PATCH", f"teams/{team['id']}", {"name": "cinema", "budgets": [{"period": "monthly", "amount": "200"}]})

    assert (team["object"], team["name"], team["budgets"][0]["amount"]) == ("team", "film", "100.0000")
    assert (changed["name"], changed["budgets"][0]["amount"]) == ("cinema", "200.0000")
    assert changed["budgets"][0]["scope"] == "team"
    assert manager.done("GET", "teams")["data"] == [changed] == [manager.done("GET", f"teams/{team['id']}")]
    assert manager.done("DELETE", f"teams/{team['id']}") == {"id": team["id"], "object": "team", "deleted": True}
    assert not Team.objects.exists()
    assert not Budget.objects.exists()


def test_a_team_with_keys_is_not_deleted(manager):
    team = manager.done("POST", "teams", {"name": "film"})
    manager.done("POST", "keys", {"name": "ann", "team": team["id"]})

    assert "has keys" in refused(manager("DELETE", f"teams/{team['id']}"), 409, "conflict")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_teams_name_is_its_own(manager, method):
    manager.done("POST", "teams", {"name": "film"})
    path = "teams" if method == "POST" else f"teams/{manager.done('POST', 'teams', {'name': 'music'})['id']}"

    assert "another team" in refused(manager(method, path, {"name": " film"}), 400, "invalid_request", "name")
    assert Team.objects.filter(name="film").count() == 1


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "keys"), ("PATCH", "keys/1"), ("DELETE", "keys/1"), ("POST", "keys/1/rotate"), ("POST", "teams")]
)
def test_a_change_takes_no_query_parameter(manager, method, path):
    assert "It takes none." in refused(manager(method, f"{path}?name=ann", {}), 400, "invalid_request", "name")
    assert audited() == []


def test_reads_cost_as_many_queries_however_many_budgets_there_are(manager, django_assert_num_queries):
    zones = ("UTC", "Europe/Berlin", "Asia/Tokyo")
    budgets = [{"period": period, "amount": Decimal(1), "time_zone": zone} for zone in zones for period in ("daily", "weekly", "monthly")]
    team = budget_owners.create_team(name="film", budgets=budgets, who="root")
    key, _ = create_key(name="ann", team=team, budgets=budgets)

    # The management key, then: rows, and what belongs to them (secrets of keys, budgets, counters).
    for path, queries in {"keys": 5, f"keys/{key.pk}": 6, f"keys?team={team.pk}": 6, "teams": 4, f"teams/{team.pk}": 5, "usage": 2}.items():
        with django_assert_num_queries(queries):
            manager.done("GET", path)


def test_every_change_is_audited_with_the_name_of_who_made_it(manager):
    team = manager.done("POST", "teams", {"name": "film", "budgets": [{"period": "total", "amount": 9}]})
    key = manager.done("POST", "keys", {"name": "ann", "budgets": [{"period": "daily", "amount": 2}]})
    budgets = {budget.period: f"budget:{budget.pk}" for budget in Budget.objects.all()}
    path, hers = f"keys/{key['id']}", f"key:{key['id']}"
    manager.done("PATCH", path, {"team": team["id"], "budgets": [{"period": "daily", "amount": 3}]})
    manager.done("PATCH", path, {"team": None, "budgets": []})
    rotated = manager.done("POST", f"{path}/rotate")
    manager.done("DELETE", path)
    manager.done("DELETE", f"teams/{team['id']}")

    assert audited() == [
        ("create", f"team:{team['id']}"), ("create", budgets["total"]),
        ("create", hers), ("create", budgets["daily"]),
        ("change", hers), ("change", budgets["daily"]),
        ("change", hers), ("delete", budgets["daily"]),
        ("rotate", hers), ("delete", hers),
        ("delete", budgets["total"]), ("delete", f"team:{team['id']}"),
    ]  # fmt: skip
    assert set(AuditEntry.objects.values_list("who", flat=True)) == {f"billing ({manager.secret[:18]}…)"}
    written = str(list(AuditEntry.objects.values()))
    assert not any(secret in written for secret in (key["secret"], rotated["secret"], manager.secret))


def test_reading_is_not_audited(manager):
    for path in ("keys", "teams", "usage"):
        manager.done("GET", path)

    assert audited() == []


def test_a_change_that_fails_half_way_changes_nothing(manager, monkeypatch):
    key = manager.done("POST", "keys", {"name": "ann", "budgets": [{"period": "daily", "amount": 2}]})
    before = audited()

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("keys.budget_owners.delete_budget", fail)
    refused(manager("PATCH", f"keys/{key['id']}", {"name": "bob", "budgets": []}), 500, "internal_error")

    assert manager.done("GET", f"keys/{key['id']}")["name"] == "ann"
    assert audited() == before


def test_usage_is_told_by_key_team_and_all_that_a_holder_may_ask(manager, make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    team = manager.done("POST", "teams", {"name": "film"})
    manager.done("PATCH", f"keys/{ann.key.pk}", {"team": team["id"]})
    end(ann.generate()["task_id"], "completed")
    bob.generate()

    def rows(query):
        return manager.done("GET", f"usage?{query}")["data"]

    def short(query):
        return [(row["tasks"], row["charged"]) for row in rows(query)]

    assert [(row["key_id"], row["key_name"], row["charged"]) for row in rows("group_by=key")] == [
        (ann.key.pk, "ann", "0.2000"),
        (bob.key.pk, "bob", "0.0000"),
    ]
    assert {(row["team_id"], row["team_name"]): row["tasks"] for row in rows("group_by=team")} == {(team["id"], "film"): 1, (None, None): 1}
    assert short("group_by=day") == short("group_by=model") == [(2, "0.2000")]
    assert short(f"group_by=model&key={bob.key.pk}") == [(1, "0.0000")]
    assert short(f"group_by=model&team={team['id']}") == [(1, "0.2000")]
    assert manager("GET", "usage?format=csv&group_by=key").content.decode().splitlines()[1].startswith(f"{ann.key.pk},ann,1,")


def test_usage_of_a_team_is_what_its_keys_used_while_they_were_in_it(manager, consumer):
    teams = [manager.done("POST", "teams", {"name": name})["id"] for name in ("film", "music")]
    for team, duration in zip(teams, (6, 12), strict=True):
        manager.done("PATCH", f"keys/{consumer.key.pk}", {"team": team})
        task_id = consumer.generate(duration=duration)["task_id"]
    manager.done("PATCH", f"keys/{consumer.key.pk}", {"team": None})
    end(task_id, "completed")

    def charged(query):
        return [(row["estimated"], row["charged"]) for row in manager.done("GET", f"usage?{query}")["data"]]

    assert charged(f"group_by=model&team={teams[0]}") == [("0.2000", "0.0000")]
    assert charged(f"group_by=model&team={teams[1]}") == [("0.4000", "0.4000")]
    assert charged("group_by=team") == [("0.2000", "0.0000"), ("0.4000", "0.4000")]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("keys?limit=0", "limit"),
        ("keys?after=7", "after"),
        ("keys?after=x", "after"),
        ("keys?team=7", "team"),
        ("keys?team=", "team"),
        ("teams?limit=101", "limit"),
        ("teams?after=-1", "after"),
        ("usage?key=7", "key"),
        ("usage?team=%00", "team"),
        ("usage?group_by=week", "group_by"),
        ("usage?from=x", "from"),
        ("usage?from=20260101", "from"),
        ("usage?group=key", "group"),
        ("usage?key=1&key=2", "key"),
        ("keys?teams=7", "teams"),
        ("keys?limit=1&limit=2", "limit"),
        ("keys/1?expand=budgets", "expand"),
        ("teams?team=7", "team"),
        ("teams/1?x=", "x"),
    ],
)
def test_a_bad_query_is_400_and_names_the_parameter(manager, query, param):
    assert f"`{param}`" in refused(manager("GET", query), 400, "invalid_request", param)
