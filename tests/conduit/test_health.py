"""`/health/ready`: for balancers; `/health`: the place, as it was kept."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import InterfaceError, connection
from django.test import Client
from django.utils import timezone

from conduit import conditions, health
from conduit.api.pacing import Pace
from conduit.conditions import Condition, Severity, reading, registry
from conduit.conditions.looking import look
from conduit.conditions.models import LastLook
from conduit.stack.ports import free_port
from conduit.web import draining
from keys.models import ManagementKey
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def of_this_test(monkeypatch):
    """What the process remembers of calls before."""
    monkeypatch.setattr(health, "pace", Pace(per_second=5, burst=20, times_in_all=10))
    monkeypatch.setattr(health.Readiness, "FRESH_SECONDS", 0)


@pytest.fixture
def found(monkeypatch):
    """What is looked at and what comes of it: `found["tea"] = {"pot": "It is cold."}`; the place's own looks find nothing."""
    found = {}
    table = {name: replace(registry.named(name), look=None) for name in ("database", "control", "looks")}
    monkeypatch.setattr(registry, "_conditions", table)
    for name, severity in (("tea", Severity.DEGRADED), ("cups", Severity.UNAVAILABLE), ("spoons", Severity.NOTICE)):
        look_for = partial(found.get, name, {})
        conditions.register(Condition(name, severity, f"No {name}.", "Somebody looks.", f"Get {name}.", look=look_for))
    return found


@pytest.fixture
def operator():
    return make_manager()


def place(client=None):
    answer = (client or Client()).get("/health")
    return answer.status_code, answer.json()


def ready(client):
    answer = client.get("/health/ready")
    return answer.status_code, answer.json()


# ---- For balancers ----


def test_a_process_is_ready_while_its_database_answers_whoever_else_is_away(client, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    assert ready(client) == (200, {"status": "ok"})


def test_without_redis_it_is_not_ready_where_calls_are_refused_then(client, settings):
    settings.LIMITS_FAIL_OPEN = False
    assert ready(client) == (200, {"status": "ok"})

    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert ready(client) == (503, {"status": "unavailable", "because": ["redis"]})


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_without_its_database_it_is_not_ready_and_the_place_says_so(client, operator, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("a file is never away")
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", free_port())
        assert ready(client) == (503, {"status": "unavailable", "because": ["database"]})
        status, body = place()
        with_key = operator.http.get("/health", headers={"Authorization": f"Bearer {operator.secret}"}).json()

    assert (status, body["status"]) == (503, "unavailable")
    assert body["conditions"].pop("database") == {"holds": True}
    assert {condition["holds"] for condition in body["conditions"].values()} == {None}
    assert with_key["conditions"]["database"] == {"holds": True}  # who asks cannot be known
    reading._database.asking.join(30)
    assert place()[1]["conditions"]["database"] == {"holds": False}


def test_a_database_connection_that_broke_makes_it_not_ready(client, monkeypatch):
    def broken():
        raise InterfaceError("connection already closed")

    monkeypatch.setitem(health.readiness._checks, "database", broken)

    assert ready(client) == (503, {"status": "unavailable", "because": ["database"]})


def test_on_its_way_out_it_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(draining, "has_begun", lambda: True)

    assert ready(client) == (503, {"status": "unavailable", "because": ["draining"]})


def test_many_who_ask_at_once_are_one_question_and_none_waits_for_an_answer_that_hangs():
    asked, over = [], threading.Event()

    def hangs():
        asked.append(1)
        return over.wait(20)

    readiness = health.Readiness({"database": hangs})
    readiness.PATIENCE_SECONDS = 0.05
    first = threading.Thread(target=readiness.missing)
    first.start()
    while not asked:
        time.sleep(0.001)

    assert [list(readiness.missing()) for _ in range(5)] == [["database"]] * 5
    readiness.PATIENCE_SECONDS = 60
    over.set()
    first.join()
    assert len(asked) == 1
    assert list(readiness.missing()) == []


# ---- The place ----


def test_a_place_where_nothing_is_wrong_is_ok(found):
    look()

    names = ("database", "control", "looks", "tea", "cups", "spoons")
    assert place() == (200, {"status": "ok", "conditions": {name: {"holds": False} for name in names}})


@pytest.mark.parametrize(("name", "status", "word"), [("tea", 200, "degraded"), ("cups", 503, "unavailable")])
def test_the_worst_that_holds_says_how_the_place_is(found, name, status, word):
    found[name] = {"kitchen": "None is left."}
    look()

    code, body = place()

    assert (code, body["status"]) == (status, word)
    assert [name for name, condition in body["conditions"].items() if condition["holds"]] == [name]


def test_a_notice_is_told_and_leaves_the_place_ok(found):
    found["spoons"] = {"kitchen": "One is left."}
    look()

    code, body = place()

    assert (code, body["status"], body["conditions"]["spoons"]) == (200, "ok", {"holds": True})


def test_a_place_at_which_nobody_looks_is_unavailable(found):
    look()
    LastLook.objects.update(looked_at=timezone.now() - timedelta(seconds=60))

    code, body = place()

    assert (code, body["status"]) == (503, "unavailable")
    assert [name for name, condition in body["conditions"].items() if condition["holds"]] == ["control"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer condt_admin_nonsense"}, {"X-API-Key": "x"}, "a consumer's key"])
def test_strangers_are_told_names_and_whether_they_hold_and_no_more(found, consumer, headers):
    found["tea"] = {"the-secret-kitchen": "None is left."}
    look()
    if headers == "a consumer's key":
        headers = {"Authorization": f"Bearer {consumer.secret}"}

    answer = Client().get("/health", headers=headers)

    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"status", "conditions"}
    assert {tuple(condition) for condition in answer.json()["conditions"].values()} == {("holds",)}
    assert "kitchen" not in answer.content.decode()


def staff(is_staff=True):
    client = Client()
    client.force_login(get_user_model().objects.create_user("ann", password="x", is_staff=is_staff))
    return client


def test_a_login_that_is_no_staff_is_a_stranger(found):
    look()

    assert place(staff(is_staff=False))[1]["conditions"]["tea"] == {"holds": False}


@pytest.mark.parametrize("who", ["a management key", "staff"])
def test_operators_are_told_since_when_it_holds_for_what_and_what_to_do(found, operator, who):
    found["tea"] = {"kitchen": "None is left."}
    look()

    client = staff() if who == "staff" else Client(HTTP_AUTHORIZATION=f"Bearer {operator.secret}")
    body = place(client)[1]

    (subject,) = body["conditions"]["tea"].pop("subjects")
    assert body["conditions"]["tea"] == {
        "holds": True,
        "severity": "degraded",
        "says": "No tea.",
        "found_by": "Somebody looks.",
        "what_to_do": "Get tea.",
    }
    assert subject.pop("since") <= body["looked_at"]
    assert subject == {"subject": "kitchen", "detail": "None is left."}


@pytest.mark.parametrize(
    "change",
    [{"scopes": ["operate"]}, {"enabled": False}, {"ip_ranges": ["192.0.2.0/24"]}, {"expires_at": timezone.now() - timedelta(days=1)}],
)
def test_a_management_key_that_may_not_read_here_is_a_strangers(found, operator, change):
    ManagementKey.objects.filter(pk=operator.key.pk).update(**change)
    look()

    assert place(Client(HTTP_AUTHORIZATION=f"Bearer {operator.secret}"))[1]["conditions"]["tea"] == {"holds": False}


def test_reading_the_place_costs_two_queries_and_calls_nobody(found, operator, settings, django_assert_num_queries):
    found["tea"] = {f"pot {number}": "It is cold." for number in range(40)}
    look()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    with django_assert_num_queries(2):
        assert place()[0] == 200
    with django_assert_num_queries(3):
        assert place(Client(HTTP_AUTHORIZATION=f"Bearer {operator.secret}"))[0] == 200


def test_who_asks_too_often_is_refused_until_it_is_time_again_and_others_are_not(found):
    look()
    answers = [Client(REMOTE_ADDR="192.0.2.1").get("/health") for _ in range(60)]

    assert 20 <= sum(answer.status_code == 200 for answer in answers) < 60
    last = next(answer for answer in answers if answer.status_code == 429)
    assert "rate limit" in refused(last, 429, "rate_limit_exceeded")
    assert last.headers["Retry-After"] == "1"
    assert Client(REMOTE_ADDR="192.0.2.2").get("/health").status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.1").get("/health/ready").status_code == 200


# ---- Whoever probes ----


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "[2001:db8::1]:8000", "anything.example", "no host at all !"])
def test_probes_call_by_address_whatever_host_they_name(found, path, host):
    look()

    assert Client().get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/admin/login/", "/health/", "/health/other", "/healthy", "/nowhere"])
def test_every_other_path_refuses_a_host_that_is_not_ours(path):
    assert Client().get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 400


def test_health_tells_no_secret(client, settings):
    look()
    body = client.get("/health").content.decode()

    assert django_settings.REDIS_URL not in body
    assert settings.MINIMAX_API_KEY not in body
