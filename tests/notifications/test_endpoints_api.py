"""/v1/webhook_endpoints and /v1/admin/webhook_endpoints: the wire of OpenAI's SDKs"""

import pytest

from keys.models import AuditEntry, Team
from tasks.notifications.models import Endpoint
from tests.support.audits import forget_audit
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/webhook_endpoints"
WANTED = {"name": "batch", "url": "https://example.com/hooks", "event_types": ["video.completed", "task.failed"]}
MINE = {"url": "https://1.1.1.1/hooks"}


def test_an_endpoint_is_made_read_listed_changed_and_deleted(consumer):
    forget_audit()
    answer = consumer.post(PATH, WANTED)
    made = answer.json()
    secret = made.pop("signing_secret")

    assert answer.status_code == 200
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"], "object": "webhook_endpoint", **WANTED, "created_at": made["created_at"], "updated_at": made["created_at"],
        "signing_secret_hint": f"whsec_…{secret[-4:]}", "enabled": True, "disabled_reason": None, "failing_since": None,
    }  # fmt: skip
    assert isinstance(made["created_at"], int)
    assert consumer.get(f"{PATH}/{made['id']}").json() == made
    assert consumer.get(PATH).json() == {
        "object": "list", "data": [made], "first_id": made["id"], "last_id": made["id"], "has_more": False,
    }  # fmt: skip
    changed = consumer.post(f"{PATH}/{made['id']}", {"event_types": ["task.cancelled"]}).json()
    assert changed["event_types"] == ["task.cancelled"]
    assert consumer.delete(f"{PATH}/{made['id']}").json() == {"id": made["id"], "object": "webhook_endpoint.deleted", "deleted": True}
    refused(consumer.get(f"{PATH}/{made['id']}"), 404, "not_found", "webhook_endpoint_id")
    assert [row.action for row in AuditEntry.objects.order_by("id")] == ["create", "change", "delete"]


def test_a_new_secret_is_shown_by_the_answers_to_create_and_rotate_alone(consumer):
    made = consumer.post(PATH, WANTED).json()
    again = consumer.post(f"{PATH}/{made['id']}/rotate_secret", {"keep_old_secret_active_for_24_hours": True}).json()

    assert again["signing_secret"] not in ("", made["signing_secret"])
    assert again["signing_secret_hint"] != made["signing_secret_hint"]
    for answer in (consumer.get(f"{PATH}/{made['id']}"), consumer.get(PATH), consumer.post(f"{PATH}/{made['id']}", {"name": "other"})):
        assert b'signing_secret"' not in answer.content.replace(b"signing_secret_hint", b"")


def test_pages_follow_each_other_newest_first(consumer):
    ids = [consumer.post(PATH, WANTED | {"name": str(number)}).json()["id"] for number in range(3)]

    first = consumer.get(f"{PATH}?limit=2").json()
    second = consumer.get(f"{PATH}?limit=2&after={first['last_id']}").json()

    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:0:-1], True)
    assert ([one["id"] for one in second["data"]], second["has_more"]) == (ids[:1], False)
    refused(consumer.get(f"{PATH}?after=we_0"), 400, "invalid_request", "after")


def test_another_keys_endpoint_is_not_there(make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    made = ann.post(PATH, WANTED).json()["id"]

    posts = {"": {"name": "x"}, "/rotate_secret": {}, "/test": {"event_type": "task.queued"}}
    answers = [bob.post(f"{PATH}/{made}{path}", body) for path, body in posts.items()]
    for answer in (bob.get(f"{PATH}/{made}"), bob.delete(f"{PATH}/{made}"), *answers):
        refused(answer, 404, "not_found", "webhook_endpoint_id")
    assert bob.get(PATH).json()["data"] == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": " "}, "name"), ({"name": "n" * 101}, "name"), ({"url": 7}, "url"), ({"url": "ftp://example.com"}, "url"),
        ({"event_types": []}, "event_types"), ({"event_types": "task.queued"}, "event_types"),
        ({"event_types": ["video.started"]}, "event_types"), ({"event_types": ["account.unavailable"]}, "event_types"),
        ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(consumer, change, param):
    refused(consumer.post(PATH, WANTED | change), 400, "invalid_request", param)
    assert Endpoint.objects.count() == 0


def test_plain_http_is_refused_unless_the_place_allows_it(consumer, settings):
    plain = WANTED | {"url": "http://example.com/hooks"}
    assert "https://" in refused(consumer.post(PATH, plain), 400, "invalid_request", "url")

    settings.OUTBOUND_HTTP = True

    assert consumer.post(PATH, plain).status_code == 200


def test_an_idempotency_key_makes_one_endpoint_and_keeps_no_secret(consumer):
    first, again = (consumer.post(PATH, WANTED, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert Endpoint.objects.count() == 1
    assert again.json()["id"] == first.json()["id"]
    assert (again.json()["signing_secret"], again.headers["Idempotent-Replayed"]) == (None, "true")


def test_no_more_than_fifty_of_one_owner(consumer, monkeypatch):
    monkeypatch.setattr("tasks.notifications.endpoints.ENDPOINTS_MAX", 1)
    consumer.post(PATH, WANTED)

    refused(consumer.post(PATH, WANTED), 409, "conflict")


def test_the_types_are_listed(consumer):
    found = consumer.get("/v1/webhook_event_types").json()

    assert found["object"] == "list"
    assert found["data"][:2] == ["video.completed", "video.failed"]
    assert "account.unavailable" not in found["data"]


def test_whoever_runs_the_place_manages_a_keys_a_teams_and_everybodys(consumer):
    team, manager = Team.objects.create(name="film"), make_manager("ops")
    place = manager.done("POST", "webhook_endpoints", WANTED | {"event_types": ["account.unavailable"]})
    of_team = manager.done("POST", "webhook_endpoints", WANTED | {"team": team.pk})
    of_key = manager.done("POST", "webhook_endpoints", WANTED | {"key": consumer.key.pk})

    assert [(one["key"], one["team"]) for one in (place, of_team, of_key)] == [(None, None), (None, team.pk), (consumer.key.pk, None)]
    assert [one["id"] for one in consumer.get(PATH).json()["data"]] == [of_key["id"]]
    assert [one["id"] for one in manager.done("GET", f"webhook_endpoints?team={team.pk}")["data"]] == [of_team["id"]]
    assert len(manager.done("GET", "webhook_endpoints")["data"]) == 3
    assert manager.done("POST", f"webhook_endpoints/{of_team['id']}", {"enabled": False})["enabled"] is False
    assert manager.done("POST", f"webhook_endpoints/{of_team['id']}", {"enabled": True})["disabled_reason"] is None
    assert manager.done("POST", f"webhook_endpoints/{place['id']}/rotate_secret", {})["signing_secret"] != place["signing_secret"]
    assert manager.done("DELETE", f"webhook_endpoints/{place['id']}")["deleted"]
    refused(manager("POST", "webhook_endpoints", WANTED | {"team": 999}), 400, "invalid_request", "team")
    refused(manager("POST", "webhook_endpoints", WANTED | {"team": team.pk, "key": consumer.key.pk}), 400, "invalid_request", "team")
    refused(make_manager("r", scopes=["read"])("POST", "webhook_endpoints", WANTED), 403, "scope_not_allowed")


def test_a_test_is_sent_at_once_and_tells_the_status_that_came(consumer, receiver):
    made = consumer.post(PATH, WANTED | {"url": f"{receiver.url}/a"}).json()["id"]
    receiver.answers["/a"] = 418

    found = consumer.post(f"{PATH}/{made}/test", {"event_type": "video.completed"}).json()

    assert found == {
        "object": "webhook_endpoint.test", "webhook_endpoint_id": made, "event_type": "video.completed", "status_code": 418,
        "success": True,
    }  # fmt: skip
    [request] = receiver.received
    assert (request.event["type"], request.event["data"]["status"]) == ("video.completed", "completed")
    assert Endpoint.objects.get().failing_since is None


def test_a_test_of_an_endpoint_that_is_not_there_says_so(consumer, settings):
    settings.OUTBOUND_HTTP = True
    made = consumer.post(PATH, WANTED | {"url": "http://127.0.0.1:9/a"}).json()["id"]

    message = refused(consumer.post(f"{PATH}/{made}/test", {"event_type": "task.queued"}), 400, "webhook_not_delivered", "url")

    assert "takes no connections" in message


def test_managers_rotate_a_keys_own_secret_and_read_no_more_than_its_end(consumer):
    own, path = consumer.get("/v1/key/webhook_secret").json(), f"keys/{consumer.key.pk}/webhook_secret"
    manager, reader = make_manager("ann"), make_manager("bob", scopes=["read"])

    assert reader.done("GET", path) == {name: own[name] for name in ("object", "signing_secret_hint", "old_secret_ends_at")}
    refused(reader("POST", f"{path}/rotate", {}), 403, "scope_not_allowed")
    made = manager("POST", f"{path}/rotate", {"keep_old_secret_active_for_24_hours": True}).json()

    now = consumer.get("/v1/key/webhook_secret").json()
    assert (made["signing_secret"], made["old_secret_ends_at"]) == (now["signing_secret"], now["old_secret_ends_at"])
    assert now["signing_secret"] != own["signing_secret"]
    assert made["old_secret_ends_at"]
    refused(manager("POST", "keys/0/webhook_secret/rotate", {}), 404, "not_found", "key_id")
