"""POST /v1/client_tokens, and what each kind of token opens."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client

from conduit import clock
from conduit.api.errors import Unauthenticated
from conduit.api.formats import rfc3339
from keys import client_tokens
from keys.models import ClientToken, ClientTokenTask, VirtualKey
from keys.services import change_key, delete_key, rotate_key
from tasks.models import Task
from tasks.realtime.connections import secret_in
from tests.support.client_tokens import with_token
from tests.support.ending import end
from tests.support.envelopes import refused

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

MADE = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}
PRICE = Decimal("0.2000")
OF_OTHERS = "01a2027d-7f6f-727a-814e-4a2215e8a6bc"


def create(consumer, **wanted):
    return consumer.post(MADE, GOOD | wanted)


# ---- Making one


def test_a_token_is_answered_once_and_kept_as_a_hash(consumer):
    answer = consumer.post("/v1/client_tokens", {"expires_in": 60})

    assert answer.status_code == 201
    body = answer.json()
    token = ClientToken.objects.get()
    assert body["token"].startswith("condt_ct_")
    assert len(body["token"]) == 52
    assert token.prefix == body["token"][:15]
    assert body["token"] not in str(vars(token))
    assert token.expires_at == token.created_at + timedelta(seconds=60)
    assert body == {
        "token": body["token"],
        "object": "client_token",
        "created_at": body["created_at"],
        "expires_at": rfc3339(token.expires_at),
        "task_id": None,
        "create": None,
    }
    assert "no-store" in answer.headers["Cache-Control"]


def test_what_is_left_out_is_ten_minutes_and_one_task(consumer):
    body = consumer.post("/v1/client_tokens", {"create": {}}).json()

    token = ClientToken.objects.get()
    assert token.expires_at == token.created_at + timedelta(minutes=10)
    assert body["create"] == {"tasks": 1, "usd": None, "models": []}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"expires_in": 59}, "expires_in"),
        ({"expires_in": 3601}, "expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"create": True}, "create"),
        ({"create": {"tasks": 0}}, "create.tasks"),
        ({"create": {"tasks": 1001}}, "create.tasks"),
        ({"create": {"usd": "0"}}, "create.usd"),
        ({"create": {"usd": "-1"}}, "create.usd"),
        ({"create": {"models": ["nope"]}}, "create.models"),
        ({"create": {"webhooks": True}}, "create.webhooks"),
        ({"scope": "all"}, "scope"),
        ({"task_id": 7}, "task_id"),
    ],
)
def test_what_makes_no_token_names_the_parameter(consumer, asked, param):
    refused(consumer.post("/v1/client_tokens", asked), 400, "invalid_request", param)
    assert not ClientToken.objects.exists()


def test_a_token_is_of_a_task_of_the_key_and_of_one_thing(consumer, make_consumer):
    foreign = make_consumer("another").generate()["task_id"]
    own = consumer.generate()["task_id"]

    for task_id in (foreign, OF_OTHERS, "x"):
        refused(consumer.post("/v1/client_tokens", {"task_id": task_id}), 404, "task_not_found", "task_id")
    refused(consumer.post("/v1/client_tokens", {"task_id": own, "create": {}}), 400, "invalid_request", "create")


def test_a_key_whose_secret_looks_like_a_token_is_a_key(make_consumer, monkeypatch):
    monkeypatch.setattr("keys.services.secrets.token_urlsafe", lambda size: "ct_" + "x" * 40)

    assert make_consumer().get("/v1/tasks").status_code == 200


# ---- What each kind opens: the contract's table, row by row. A number is the status; of a refusal it is 403.

TABLE = [
    # method, path, who may: a token of this task, one of the key, one that creates
    ("GET", "/v1/tasks/{read}", (200, 200, 200)),
    ("GET", MADE + "/{read}", (200, 200, 200)),
    ("GET", "/v1/videos/{read}", (200, 200, 200)),
    ("GET", "/v1/videos/{read}/content", (404, 404, 404)),  # it is not made yet
    ("HEAD", "/v1/tasks/{read}", (200, 200, 200)),
    ("GET", "/v1/tasks/{other}", (404, 200, 200)),
    ("GET", "/v1/videos/{other}", (404, 200, 200)),
    ("GET", "/v1/tasks", (403, 200, 200)),
    ("GET", MADE, (403, 200, 200)),
    ("GET", "/v1/videos", (403, 200, 200)),
    ("POST", MADE + "/estimate", (403, 403, 200)),
    ("POST", MADE, (403, 403, 202)),
    ("POST", "/v1/videos", (403, 403, 200)),
    ("POST", MADE + "/{failed}/retry", (403, 403, 202)),
    ("POST", "/v1/videos/{done}/remix", (403, 403, 200)),
    ("DELETE", MADE + "/{made}", (403, 403, 200)),
    ("POST", "/v1/tasks/{made}/cancel", (403, 403, 200)),
    ("DELETE", "/v1/tasks/{done}/media", (403, 403, 200)),
    ("DELETE", "/v1/videos/{done}", (403, 403, 200)),
    # not what it made itself
    ("POST", MADE + "/{read}/retry", (403, 403, 403)),
    ("DELETE", MADE + "/{read}", (403, 403, 403)),
    ("POST", "/v1/tasks/{read}/cancel", (403, 403, 403)),
    ("DELETE", "/v1/tasks/{read}/media", (403, 403, 403)),
    ("DELETE", "/v1/videos/{read}", (403, 403, 403)),
    ("GET", "/v1/models", (403, 403, 200)),
    ("GET", "/v1/models/minimax-video", (403, 403, 200)),
    ("GET", "/v1/key", (403, 403, 200)),
    ("GET", "/v1/usage", (403, 403, 403)),
    ("GET", "/v1/webhook_endpoints", (403, 403, 403)),
    ("POST", "/v1/webhook_endpoints", (403, 403, 403)),
    ("POST", "/v1/client_tokens", (403, 403, 403)),
    ("GET", "/v1/admin/keys", (401, 401, 401)),
    ("PUT", "/v1/tasks", (405, 405, 405)),
]


def test_each_row_of_rights(consumer):
    ids = {"read": consumer.generate()["task_id"], "other": consumer.generate()["task_id"]}
    tokens = [with_token(consumer, task_id=ids["read"]), with_token(consumer), with_token(consumer, create={"tasks": 9})]
    ids |= {name: create(tokens[2]).json()["task_id"] for name in ("made", "failed", "done")}
    end(ids["failed"], "failed")
    end(ids["done"], "completed")

    answered = []
    for method, path, _ in TABLE:
        with transaction.atomic():  # each row finds what was made above
            answers = [_call(token, method, path.format(**ids)) for token in tokens]
            transaction.set_rollback(True)
        answered.append((method, path, tuple(answer.status_code for answer in answers)))
        for answer in answers:
            if answer.status_code == 403:
                assert "client token" in refused(answer, 403, "permission_denied", answer.json()["error"]["param"])

    assert answered == TABLE


def _call(token, method, path):
    return token.http.generic(method, path, b"" if method in ("GET", "HEAD") else _body(path), content_type="application/json")


def _body(path):
    if path.endswith(("/retry", "/cancel", "/media", "/client_tokens")):
        return b"{}"
    return b'{"prompt": "a cat"}' if "/v1/videos" in path else b'{"model": "minimax-video", "prompt": "a cat"}'


def test_a_token_of_one_key_sees_no_task_of_another(consumer, make_consumer):
    foreign = make_consumer("another").generate()["task_id"]

    for token in (with_token(consumer), with_token(consumer, create={})):
        refused(token.get(f"/v1/tasks/{foreign}"), 404, "task_not_found", "task_id")
        assert token.get("/v1/tasks").json()["data"] == []


# ---- Its end


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda key: change_key(key, who="root", enabled=False), "api_key_disabled"),
        (lambda key: delete_key(key, who="root"), "invalid_api_key"),
        (lambda key: VirtualKey.objects.filter(pk=key.pk).update(expires_at=clock.now()), "api_key_expired"),
        (lambda key: rotate_key(key, who="root", grace=timedelta()), "api_key_expired"),
        (lambda key: ClientToken.objects.update(expires_at=clock.now()), "api_key_expired"),
    ],
    ids=["disabled", "deleted", "expired", "rotated", "over"],
)
def test_a_token_ends_with_its_key_its_secret_and_its_time(consumer, stop, code):
    token = with_token(consumer, create={})

    stop(consumer.key)

    for answer in (token.get("/v1/tasks"), create(token)):
        refused(answer, 401, code)
    assert not Task.objects.exists()


def test_a_token_lives_as_long_as_the_secret_that_made_it(consumer):
    token = with_token(consumer)
    rotate_key(consumer.key, who="root", grace=timedelta(hours=1))

    assert token.get("/v1/tasks").status_code == 200


def test_where_a_key_may_not_be_used_its_tokens_may_not(consumer):
    token = with_token(consumer)
    change_key(consumer.key, who="root", ip_ranges=["203.0.113.0/24"])

    refused(token.get("/v1/tasks"), 403, "ip_not_allowed")


def test_a_token_that_ended_is_forgotten_after_a_day(consumer, time_travel):
    token = with_token(consumer, create={})
    create(token)
    time_travel.move_to(clock.now() + timedelta(hours=1))
    client_tokens.forget_ended()
    refused(token.get("/v1/tasks"), 401, "api_key_expired")

    time_travel.shift(timedelta(days=1))
    client_tokens.forget_ended()

    assert "not known" in refused(token.get("/v1/tasks"), 401, "invalid_api_key")
    assert (ClientToken.objects.count(), ClientTokenTask.objects.count(), Task.objects.count()) == (0, 0, 1)


# ---- Its bounds


def test_as_many_tasks_as_it_may_and_no_more(consumer):
    token = with_token(consumer, create={"tasks": 2})
    first = create(token).json()["task_id"]
    end(first, "failed")
    assert token.post(f"{MADE}/{first}/retry").status_code == 202

    for answer in (create(token), token.post(f"{MADE}/{first}/retry"), token.post("/v1/videos", {"prompt": "a cat"})):
        assert "quota of 2 tasks" in refused(answer, 402, "insufficient_quota")
    assert Task.objects.count() == ClientTokenTask.objects.count() == 2


def test_as_much_money_as_it_may_and_what_comes_back_is_there_again(consumer, ledger):
    token = with_token(consumer, create={"tasks": 9, "usd": "0.3"})
    first = create(token).json()["task_id"]

    assert "0.10 USD is left" in refused(create(token), 402, "insufficient_quota")
    end(first, "failed")
    second = create(token).json()["task_id"]
    refused(create(token), 402, "insufficient_quota")
    end(second, "completed")
    refused(create(token), 402, "insufficient_quota")

    assert [entry for entry, _ in ledger(first)] == ["hold", "capture", "release"]
    assert Task.objects.count() == 2


def test_a_bound_of_tokens_lifts_none_of_the_key(consumer):
    change_key(consumer.key, who="root", highest_price=Decimal("0.1"))
    token = with_token(consumer, create={"usd": "5"})

    refused(create(token), 400, "invalid_request", "duration")


def test_models_that_it_may_use(consumer):
    token = with_token(consumer, create={"tasks": 3, "models": ["minimax-h3"]})

    assert "client token" in refused(create(token), 403, "model_not_allowed", "model")
    refused(token.post(f"{MADE}/estimate", GOOD), 403, "model_not_allowed", "model")
    assert [model["id"] for model in token.get("/v1/models").json()["data"]] == ["minimax-h3"]
    refused(token.get("/v1/models/minimax-video"), 403, "model_not_allowed", "model")


def test_a_key_that_may_use_other_models_keeps_its_tokens_from_them(consumer):
    token = with_token(consumer, create={})
    change_key(consumer.key, who="root", model_names=["minimax-h3"])

    refused(create(token), 403, "model_not_allowed", "model")


def test_no_webhook_is_sent_for_what_it_makes(consumer):
    token = with_token(consumer, create={"tasks": 3})
    failed = create(token).json()["task_id"]
    end(failed, "failed")
    webhook = {"webhook_url": "https://example.com/hook"}

    for answer in (create(token, **webhook), token.post(f"{MADE}/{failed}/retry", webhook)):
        refused(answer, 403, "permission_denied", "webhook_url")


def test_it_is_told_its_own_bounds_and_nothing_of_the_key(consumer):
    token = with_token(consumer, create={"tasks": 3, "usd": "1", "models": ["minimax-video"]})
    create(token)

    shown = token.get("/v1/key").json()

    assert shown["object"] == "client_token"
    assert shown["create"] == {"tasks": 3, "tasks_left": 2, "usd": "1.0000", "usd_left": "0.8000", "models": ["minimax-video"]}
    assert set(shown) == {"object", "created_at", "expires_at", "task_id", "create"}


def test_what_a_token_made_before_is_not_another_tokens_to_cancel(consumer):
    first, second = (with_token(consumer, create={}) for _ in range(2))
    task_id = create(first).json()["task_id"]

    assert "itself" in refused(second.delete(f"{MADE}/{task_id}"), 403, "permission_denied", "task_id")
    assert first.delete(f"{MADE}/{task_id}").json()["status"] == "cancelled"


def test_a_create_that_is_sent_again_is_one_task_of_the_bound(consumer):
    token = with_token(consumer, create={"tasks": 1})
    again = {"Idempotency-Key": "k"}
    first = token.post(MADE, GOOD, **again)

    assert token.post(MADE, GOOD, **again).json() == first.json()
    refused(token.post(MADE, GOOD, **{"Idempotency-Key": "l"}), 402, "insufficient_quota")


def test_calls_of_tokens_count_as_their_keys(consumer):
    change_key(consumer.key, who="root", creates_per_minute=1)
    token = with_token(consumer, create={"tasks": 2})
    create(token)

    refused(create(consumer), 429, "rate_limit_exceeded")


# ---- Secrets in addresses


def test_a_place_may_take_no_keys_in_addresses_and_takes_tokens_there(consumer, settings):
    settings.KEYS_IN_ADDRESSES = False
    token = with_token(consumer).secret

    answer = Client().get(f"/v1/events?access_token={consumer.secret}")

    assert "client token" in refused(answer, 401, "invalid_api_key")
    assert Client().head(f"/v1/events?access_token={token}").status_code == 200
    # What hub and WebSockets read of a connection's scope.
    with pytest.raises(Unauthenticated, match="client token"):
        secret_in({"headers": [], "query_string": f"access_token={consumer.secret}".encode()})
    assert secret_in({"headers": [], "query_string": f"access_token={token}".encode()}) == token
    assert secret_in({"headers": [(b"x-api-key", consumer.secret.encode())], "query_string": b""}) == consumer.secret
    assert consumer.get("/v1/tasks").status_code == 200
