"""From an address that sent too many unknown keys, only those pass for a while that were good lately; elsewhere nothing changes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis
import requests
from requests.adapters import HTTPAdapter

from keys.services import hash_secret
from tests.conftest import Consumer
from tests.settings import VALKEY
from tests.support.databases import database_url
from tests.support.web import Web

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
LIMIT = 30


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def strict(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    with django_db_blocker.unblock():
        process = Web(UNKNOWN_SECRETS_PER_MINUTE=str(LIMIT), TRUSTED_PROXIES="127.0.0.1")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=4))
        yield session


def ask(http: requests.Session, web: Web, secret: str, address: str, path: str = "/v1/models") -> requests.Response:
    return http.get(f"{web.url}{path}", headers={"Authorization": f"Bearer {secret}", "X-Forwarded-For": address}, timeout=20)


def knock(http: requests.Session, web: Web, address: str, count: int = LIMIT) -> None:
    assert {ask(http, web, f"condt_invented{number}", address).status_code for number in range(count)} == {401}


def test_after_thirty_unknown_secrets_no_more_are_looked_up_but_those_that_were_good(
    strict: Web, http: requests.Session, make_consumer: Any
) -> None:
    ann, ben = make_consumer("ann"), make_consumer("ben")
    address = "198.51.100.1"
    assert ask(http, strict, ann.secret, "198.51.100.77").status_code == 200  # from anywhere
    knock(http, strict, address)
    with psycopg.connect(database_url()) as holder:
        holder.execute("LOCK TABLE keys_keysecret, keys_virtualkey, keys_managementkey IN ACCESS EXCLUSIVE MODE")
        for path in ("/v1/models", "/v1/admin/keys", "/v1/events", "/v1/tasks/019a20278ca5c75898260f58625356f5"):
            refused = ask(http, strict, "condt_another", address, path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
            assert 0 < int(refused.headers["Retry-After"]) <= 60
            assert "rate limit" in refused.json()["error"]["message"]
        holder.rollback()
    assert ask(http, strict, ann.secret, address).status_code == 200
    assert ask(http, strict, ben.secret, address).status_code == 429  # nobody has seen it yet
    assert ask(http, strict, ben.secret, "198.51.100.2").status_code == 200
    assert ask(http, strict, ben.secret, address).status_code == 200  # now somebody has
    assert http.get(f"{strict.url}/v1/models", headers={"X-Forwarded-For": address}, timeout=20).status_code == 401  # no secret at all


def test_other_processes_are_told_what_was_good_by_its_hash(strict: Web, http: requests.Session, consumer: Consumer) -> None:
    assert ask(http, strict, consumer.secret, "198.51.100.3").status_code == 200
    name = f"conduit:good:{hash_secret(consumer.secret)}"
    with redis.Redis.from_url(VALKEY.url) as store:
        until(lambda: bool(store.exists(name)))
        assert 86_000 < int(store.ttl(name)) <= 86_400


def test_of_ipv6_a_whole_network_is_one_client(strict: Web, http: requests.Session) -> None:
    for number in range(LIMIT):
        assert ask(http, strict, f"condt_invented{number}", f"2001:db8:0:1::{number:x}").status_code == 401
    assert ask(http, strict, "condt_more", "2001:db8:0:1:ffff::1").status_code == 429
    assert ask(http, strict, "condt_more", "2001:db8:0:2::1").status_code == 401


def test_a_key_that_is_disabled_is_not_unknown(strict: Web, http: requests.Session, consumer: Consumer) -> None:
    consumer.key.enabled = False
    consumer.key.save(update_fields=["enabled"])
    assert {ask(http, strict, consumer.secret, "198.51.100.4").status_code for _ in range(LIMIT + 1)} == {401}
