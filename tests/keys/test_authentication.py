from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys.models import KeySecret, VirtualKey
from keys.services import hash_secret
from tests.support.envelopes import refused

pytestmark = pytest.mark.django_db

PATH = "/v1/models"


def disable(key):
    key.enabled = False
    key.save(update_fields=["enabled"])


def expire(key, ago=timedelta(seconds=1)):
    key.expires_at = clock.now() - ago
    key.save(update_fields=["expires_at"])


def delete(key):
    key.deleted_at = clock.now()
    key.save(update_fields=["deleted_at"])


def rotate(key, ago=timedelta(seconds=1)):
    """A newer secret, and the grace time of the one before ended `ago`."""
    key.secrets.update(expires_at=clock.now() - ago)
    KeySecret.objects.create(key=key, prefix="condt_newer", secret_hash=hash_secret("condt_newer"))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_key_is_taken_as_a_bearer_however_that_is_written(consumer, scheme):
    assert Client().get(PATH, headers={"Authorization": f"{scheme} {consumer.secret}"}).status_code == 200


def test_a_key_is_taken_from_x_api_key(consumer):
    assert Client().get(PATH, headers={"X-API-Key": consumer.secret}).status_code == 200


def test_x_api_key_counts_beside_an_authorization_that_is_no_bearer(consumer):
    headers = {"X-API-Key": consumer.secret, "Authorization": "Basic dTpw"}

    assert Client().get(PATH, headers=headers).status_code == 200


def test_the_bearer_decides_when_both_are_sent(consumer):
    headers = {"X-API-Key": consumer.secret, "Authorization": "Bearer condt_wrong"}

    refused(Client().get(PATH, headers=headers), 401, "invalid_api_key")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer   "},
        {"Authorization": "condt_abc"},
        {"Authorization": "Basic dTpw"},
        {"X-API-Key": ""},
        {"X-API-Key": "  "},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/tasks"),
        ("GET", "/v1/tasks/x"),
        ("POST", "/v1/tasks/x/cancel"),
        ("POST", "/v1/video/generations"),
        ("POST", "/v1/video/generations/estimate"),
        ("POST", "/v1/video/generations/x/retry"),
        ("DELETE", "/v1/video/generations/x"),
    ],
)
def test_a_call_without_a_key_is_401_and_says_how_to_send_one(method, path, headers):
    answer = Client().generic(method, path, b"{", content_type="text/plain", headers=headers)

    assert "Bearer condt_" in refused(answer, 401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "secret", ["condt_", "condt_" + "A" * 43, "x", "condt_\u00e4", "condt_" + "A" * 9000, "' OR 1=1 --", "condt_\x00", "condt_a b"]
)
def test_a_key_that_nobody_has_is_401(db, secret):
    refused(Client().get(PATH, headers={"Authorization": f"Bearer {secret}"}), 401, "invalid_api_key")


def test_a_part_of_a_key_opens_nothing(consumer):
    row = consumer.key.secrets.get()
    for secret in (consumer.secret[:-1], consumer.secret + "A", consumer.secret.swapcase(), row.secret_hash, row.prefix):
        refused(Client().get(PATH, headers={"Authorization": f"Bearer {secret}"}), 401, "invalid_api_key")


def test_a_disabled_key_is_refused_with_its_own_code(consumer):
    disable(consumer.key)

    refused(consumer.get(PATH), 401, "api_key_disabled")


def test_an_expired_key_is_refused_with_its_own_code(consumer):
    expire(consumer.key)

    refused(consumer.get(PATH), 401, "api_key_expired")


def test_a_key_expires_at_its_moment_and_not_before(consumer, time_travel):
    consumer.key.expires_at = clock.now() + timedelta(minutes=1)
    consumer.key.save(update_fields=["expires_at"])

    time_travel.move_to(consumer.key.expires_at - timedelta(seconds=1), tick=False)
    assert consumer.get(PATH).status_code == 200
    time_travel.move_to(consumer.key.expires_at, tick=False)
    refused(consumer.get(PATH), 401, "api_key_expired")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="on SQLite the host's clock is the one")
def test_a_key_ends_by_the_databases_clock_whatever_the_web_hosts_says(consumer):
    expire(consumer.key, ago=-timedelta(minutes=10))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True):
        assert consumer.get(PATH).status_code == 200

    expire(consumer.key)
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1), tick=True):
        refused(consumer.get(PATH), 401, "api_key_expired")


def test_a_secret_that_was_rotated_away_works_until_its_grace_time_is_over(consumer, time_travel):
    rotate(consumer.key, ago=-timedelta(minutes=1))
    end = consumer.key.secrets.get(expires_at__isnull=False).expires_at

    time_travel.move_to(end - timedelta(seconds=1), tick=False)
    assert consumer.get(PATH).status_code == 200
    time_travel.move_to(end, tick=False)
    assert "Use the newer one" in refused(consumer.get(PATH), 401, "api_key_expired")
    assert Client().get(PATH, headers={"X-API-Key": "condt_newer"}).status_code == 200


def test_a_deleted_key_is_refused_although_its_history_is_there(consumer):
    delete(consumer.key)

    assert "deleted" in refused(consumer.get(PATH), 401, "invalid_api_key")


def test_a_key_that_is_enabled_again_works_again(consumer):
    disable(consumer.key)
    VirtualKey.objects.update(enabled=True)

    assert consumer.get(PATH).status_code == 200


@pytest.mark.parametrize(
    "make_wrong", [disable, expire, delete, rotate, VirtualKey.delete], ids=["disabled", "expired", "deleted", "rotated", "unknown"]
)
def test_a_key_that_is_refused_costs_the_one_query_that_a_right_one_costs(consumer, make_wrong):
    def key_queries():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            consumer.get("/v1/tasks/unknown")
        return [query["sql"].split("WHERE")[0] for query in queries]

    right = key_queries()
    make_wrong(consumer.key)

    assert key_queries() == right
    assert len(right) == 1


def test_no_refusal_repeats_the_secret(consumer):
    disable(consumer.key)

    assert consumer.secret.encode() not in consumer.get(PATH).content
