"""What nobody may learn: details of a failure, tokens in logs, other people's keys."""

import json
import re
from collections.abc import Callable

import pytest
import redis
import requests

from tests.settings import VALKEY
from tests.signalr.client import Client, ClientError
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, socket_to
from tests.signalr.servers import Service
from tests.signalr.wires import DETAIL, WIRES, Wire, until


def test_a_crash_while_connecting_ends_the_connection_without_detail(two: Service, wire: Wire, make_client: Callable[..., Client]) -> None:
    client = make_client(two, wire, token="secret-unwelcome")
    if client.begin_start().exception(SECONDS) is None:
        client.closed()
    said = json.dumps([client.taken("closed"), client.logs()])
    assert "hunter2" not in said
    assert "RuntimeError" not in said


def test_a_crash_is_in_the_servers_log_with_its_detail(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    service = make_service()
    client = call(service, Wire("WebSockets", "json"))
    with pytest.raises(ClientError):
        client.invoke("Crash")
    client.items(client.stream("CountThenCrash", 1))
    until(lambda: service.said().count(DETAIL) >= 2)


def test_no_log_holds_a_key_or_a_connection_token(
    make_service: Callable[..., Service], make_client: Callable[..., Client], http: requests.Session
) -> None:
    service = make_service(processes=2, handshake=4)  # what never shakes hands is waited for in the end
    tokens = []
    for wire in WIRES:
        client = make_client(service, wire, token="secret-of-ann")
        client.start()
        with pytest.raises(ClientError):
            client.invoke("Crash")
        tokens.append(client.state()["token"])
        client.raw(b"\x01\xc1" if wire.is_binary else "broken\x1e")
        client.closed()
    http.headers["Authorization"] = "Bearer secret-of-ann"
    agreed = negotiate(service, http)
    tokens.append(agreed["connectionToken"])
    with socket_to(service, token=None, id=agreed["connectionToken"], access_token="secret-of-ann") as wire:
        wire.send("nonsense\x1e")
        wire.recv(timeout=SECONDS)
    http.post(service.url, params={"id": "x", "access_token": "secret-of-ann"}, data=HANDSHAKE, timeout=SECONDS)
    http.post(service.url + "/negotiate", headers={"Authorization": "Bearer secret-crash"}, timeout=SECONDS)
    for server in service.servers:
        server.stop()
    said = service.said()
    assert "secret-" not in said
    assert "access_token" not in said
    assert all(tokens)
    assert [token for token in tokens if token in said] == []


def test_redis_holds_no_key_and_everything_in_it_ends(two: Service, call: Callable[..., Client], http: requests.Session) -> None:
    for wire in WIRES:
        call(two, wire, token="secret-kept-nowhere").invoke("Add", 1, 2)
    http.headers["Authorization"] = "Bearer secret-kept-nowhere"
    negotiate(two, http)
    with redis.Redis.from_url(VALKEY.url) as store:
        names = [name for name in store.scan_iter("*") if b"signalr" in name]
        assert names
        assert [name for name in names if store.ttl(name) == -1] == []
        assert [name for name in names if b"secret-kept" in name or b"secret-kept" in _all_of(store, name)] == []


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "x" * 20_000, "line\r\nSet-Cookie: a=b", "\ud800"], ids=["markup", "long", "header", "surrogate"]
)
def test_what_a_client_sends_comes_back_as_text_at_most(two: Service, call: Callable[..., Client], text: str) -> None:
    client = call(two, Wire("ServerSentEvents", "json"))
    with pytest.raises(ClientError) as unknown:
        client.invoke(text)
    assert str(unknown.value) == f"Failed to invoke '{text}' due to an error on the server. HubException: Method does not exist."
    assert client.invoke("Add", 1, 2) == 3


def test_answers_to_bad_requests_name_no_software_and_no_file(two: Service, http: requests.Session) -> None:
    for method, path in [
        ("GET", ""),
        ("POST", "?id=x"),
        ("PUT", ""),
        ("GET", "/negotiate"),
        ("POST", "/negotiate?negotiateVersion=x"),
        ("DELETE", "?id=%ff"),
    ]:
        answer = http.request(method, two.url + path, timeout=SECONDS)
        assert answer.status_code < 500, (method, path)
        assert not re.search(r"Traceback|File \"|\.py|daphne|twisted|redis", answer.text, re.IGNORECASE), (method, path)


def _all_of(store: "redis.Redis", name: bytes) -> bytes:
    return store.dump(name) or b""
