"""Who may connect, from which origin, and what those read who may not."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.signalr.client import Client, ClientError
from tests.signalr.raw import HANDSHAKE, ORIGIN, SECONDS, negotiate, refusal_of, socket_to, start_polling
from tests.signalr.servers import Service
from tests.signalr.wires import Wire

BAD_KEYS: list[dict[str, Any]] = [{}, {"headers": {"Authorization": "Bearer wrong"}}, {"params": {"access_token": "wrong"}}]
ASKED = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,x-requested-with,x-signalr-user-agent",
}


@pytest.fixture
def stranger() -> Any:
    """Requests that carry no key."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Origin"] = ORIGIN
        yield session


@pytest.mark.parametrize("token", ["wrong", "", None])
def test_a_client_with_a_bad_key_is_told_so_when_it_negotiates(
    two: Service, wire: Wire, make_client: Callable[..., Client], token: str | None
) -> None:
    with pytest.raises(ClientError, match="401"):
        make_client(two, wire, token=token).start()


def test_a_client_that_skips_negotiation_with_a_bad_key_does_not_connect(two: Service, make_client: Callable[..., Client]) -> None:
    with pytest.raises(ClientError):
        make_client(two, Wire("WebSockets", "json"), token="wrong", skipNegotiation=True).start()


@pytest.mark.parametrize("bad", BAD_KEYS, ids=["no-key", "header", "query"])
@pytest.mark.parametrize("request_kind", ["negotiate", "poll", "send", "delete"])
def test_every_request_needs_a_key_and_a_refusal_can_be_read_by_browsers(
    two: Service, http: requests.Session, stranger: requests.Session, request_kind: str, bad: dict[str, Any]
) -> None:
    token = negotiate(two, http)["connectionToken"]
    method, path = {"negotiate": ("POST", "/negotiate"), "poll": ("GET", ""), "send": ("POST", ""), "delete": ("DELETE", "")}[request_kind]
    answer = stranger.request(
        method, two.url + path, params={"id": token, **bad.get("params", {})}, headers=bad.get("headers"), timeout=SECONDS
    )
    assert answer.status_code == 401
    assert answer.json() == {"error": "who are you?"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    _readable(answer)


@pytest.mark.parametrize("token", ["wrong", None])
def test_a_websocket_with_a_bad_key_is_refused(two: Service, token: str | None) -> None:
    assert refusal_of(two, token=token) in {401, 403}


def test_a_stream_of_events_with_a_bad_key_is_refused(two: Service, http: requests.Session, stranger: requests.Session) -> None:
    token = negotiate(two, http)["connectionToken"]
    answer = stranger.get(two.url, params={"id": token, "access_token": "wrong"}, headers={"Accept": "text/event-stream"}, timeout=SECONDS)
    assert answer.status_code == 401
    _readable(answer)


@pytest.mark.parametrize("request_kind", ["send", "poll", "delete"])
def test_somebody_elses_connection_is_unknown_even_with_its_token(two: Service, http: requests.Session, request_kind: str) -> None:
    token = start_polling(two, http)
    method = {"send": "POST", "poll": "GET", "delete": "DELETE"}[request_kind]
    answer = http.request(method, two.url, params={"id": token}, headers={"Authorization": "Bearer secret-bob"}, timeout=SECONDS)
    assert answer.status_code in {403, 404}
    assert http.post(two.url, params={"id": token}, data=b'{"type":6}\x1e', timeout=SECONDS).status_code == 200


def test_a_key_in_the_address_is_as_good_as_one_in_a_header(two: Service, stranger: requests.Session) -> None:
    agreed = stranger.post(two.url + "/negotiate", params={"negotiateVersion": 1, "access_token": "secret-ann"}, timeout=SECONDS).json()
    with socket_to(two, token=None, id=agreed["connectionToken"], access_token="secret-ann") as wire:
        wire.send(HANDSHAKE.decode())
        assert wire.recv(timeout=SECONDS) == "{}\x1e"


@pytest.mark.parametrize("path", ["", "/negotiate"])
@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000", "null"])
def test_a_preflight_needs_no_key_and_allows_what_the_client_sends(
    two: Service, stranger: requests.Session, path: str, origin: str
) -> None:
    answer = stranger.options(two.url + path, headers={**ASKED, "Origin": origin}, timeout=SECONDS)
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed >= {"authorization", "content-type", "x-requested-with", "x-signalr-user-agent"}
    assert {name.strip() for name in answer.headers["Access-Control-Allow-Methods"].split(",")} >= {"GET", "POST", "DELETE"}


def test_a_preflight_allows_every_header_that_is_asked_for(two: Service, stranger: requests.Session) -> None:
    def allowed(asked: str) -> str:
        headers = {**ASKED, "Origin": ORIGIN, "Access-Control-Request-Headers": asked}
        return stranger.options(two.url + "/negotiate", headers=headers, timeout=SECONDS).headers["Access-Control-Allow-Headers"]

    assert {"traceparent", "baggage", "authorization"} <= set(allowed("traceparent,Baggage").split(", "))
    assert allowed("a b") == allowed("")


def test_an_origin_that_is_not_allowed_gets_no_permission(two: Service, stranger: requests.Session) -> None:
    for answer in (
        stranger.options(two.url + "/negotiate", headers={**ASKED, "Origin": "https://refused.example"}, timeout=SECONDS),
        stranger.post(
            two.url + "/negotiate", headers={"Origin": "https://refused.example", "Authorization": "Bearer secret-ann"}, timeout=SECONDS
        ),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [ORIGIN, "null", None])
def test_a_websocket_connects_from_anywhere_since_its_key_is_its_permission(two: Service, origin: str | None) -> None:
    with socket_to(two, headers={"Origin": origin} if origin else None) as wire:
        wire.send(HANDSHAKE.decode())
        assert wire.recv(timeout=SECONDS) == "{}\x1e"


@pytest.mark.parametrize("given", ["no id", "unknown id", "success"])
def test_answers_of_every_kind_can_be_read_by_browsers(two: Service, http: requests.Session, given: str) -> None:
    query = {"no id": {}, "unknown id": {"id": "nonsense"}, "success": {"id": negotiate(two, http)["connectionToken"]}}[given]
    _readable(http.get(two.url, params=query, headers={"Origin": ORIGIN}, timeout=SECONDS))


def test_without_an_origin_there_is_nothing_to_allow(two: Service, http: requests.Session) -> None:
    answer = http.post(two.url + "/negotiate", timeout=SECONDS)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_authentication_that_crashes_is_a_500_that_tells_nothing(two: Service, stranger: requests.Session) -> None:
    answer = stranger.post(two.url + "/negotiate", headers={"Authorization": "Bearer secret-crash"}, timeout=SECONDS)
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    _readable(answer)


def _readable(answer: requests.Response) -> None:
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]
