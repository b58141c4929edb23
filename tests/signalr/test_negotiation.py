"""What a client and the server agree on before they talk."""

import base64
import re
from collections.abc import Callable

import pytest
import requests

from tests.signalr.client import Client, ClientError
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, open_events, refusal_of
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire

TRANSPORTS = [
    {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
    {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
    {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
]


def test_version_one_gives_a_name_and_a_secret_token(two: Service, http: requests.Session) -> None:
    answer = negotiate(two, http)
    assert answer == {
        "negotiateVersion": 1,
        "connectionId": answer["connectionId"],
        "connectionToken": answer["connectionToken"],
        "availableTransports": TRANSPORTS,
    }
    assert answer["connectionId"] != answer["connectionToken"]
    for name in (answer["connectionId"], answer["connectionToken"]):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
        assert len(base64.urlsafe_b64decode(name + "==")) >= 16


def test_a_hub_offers_and_serves_the_transports_that_it_was_told_to(
    make_service: Callable[..., Service], make_client: Callable[..., Client], http: requests.Session
) -> None:
    service = make_service(processes=2, transports=["LongPolling"])
    answer = negotiate(service, http, useStatefulReconnect="true")
    assert answer["availableTransports"] == TRANSPORTS[2:]
    assert "useStatefulReconnect" not in answer
    with open_events(service, http, answer["connectionToken"]) as refused:
        assert (refused.status_code, refused.text) == (404, "ServerSentEvents transport not supported by this end point type")
    assert refusal_of(service) in {403, 404}
    assert refusal_of(service, id=answer["connectionToken"]) in {403, 404}
    assert make_client(service, Wire("LongPolling", "json")).start().invoke("Add", 1, 2) == 3
    with pytest.raises(ClientError):
        make_client(service, Wire("WebSockets", "json")).start()


def test_no_version_is_version_zero_where_the_name_is_the_token(two: Service, http: requests.Session) -> None:
    answer = negotiate(two, http, negotiateVersion=None)
    assert answer["negotiateVersion"] == 0
    assert "connectionToken" not in answer
    assert answer["availableTransports"] == TRANSPORTS
    assert http.get(two.url, params={"id": answer["connectionId"]}, timeout=SECONDS).status_code == 200


@pytest.mark.parametrize(("asked", "given"), [("0", 0), ("1", 1), ("2", 1), ("77", 1)])
def test_a_version_above_ours_is_answered_as_ours(two: Service, http: requests.Session, asked: str, given: int) -> None:
    assert negotiate(two, http, negotiateVersion=asked)["negotiateVersion"] == given


@pytest.mark.parametrize("version", ["one", "1.0", "", "1e0", "٣", "9" * 5000], ids=["one", "1.0", "empty", "1e0", "arabic", "endless"])
def test_a_version_that_is_no_number_is_an_error_in_the_answer(two: Service, http: requests.Session, version: str) -> None:
    answer = negotiate(two, http, negotiateVersion=version)
    assert answer == {"error": f"The client requested an invalid protocol version '{version}'"}


@pytest.mark.parametrize(
    ("asked", "given"), [({"useStatefulReconnect": "true"}, True), ({"useStatefulReconnect": "false"}, None), ({}, None)]
)
def test_stateful_reconnect_is_promised_only_when_asked_for(
    two: Service, http: requests.Session, asked: dict[str, str], given: bool | None
) -> None:
    assert negotiate(two, http, **asked).get("useStatefulReconnect") is given


def test_an_answer_is_json_that_nobody_may_keep(two: Service, http: requests.Session) -> None:
    answer = http.post(two.url + "/negotiate", params={"negotiateVersion": 1}, timeout=SECONDS)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert {"no-cache", "no-store"} <= set(answer.headers["Cache-Control"].split(", "))


def test_tokens_are_never_the_same(two: Service, http: requests.Session) -> None:
    answers = [negotiate(two, http) for _ in range(20)]
    assert len({name for answer in answers for name in (answer["connectionId"], answer["connectionToken"])}) == 40


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_negotiating_is_a_post(two: Service, http: requests.Session, method: str) -> None:
    assert http.request(method, two.url + "/negotiate", timeout=SECONDS).status_code == 405


@pytest.mark.parametrize("path", ["/nothing", "/negotiate/more", "x"])
def test_there_is_nothing_beside_the_hub(two: Service, http: requests.Session, path: str) -> None:
    assert http.post(two.url + path, timeout=SECONDS).status_code == 404


def test_the_public_name_of_a_connection_opens_nothing(two: Service, http: requests.Session) -> None:
    agreed = negotiate(two, http)
    assert http.get(two.url, params={"id": agreed["connectionId"]}, timeout=SECONDS).status_code == 404
    assert http.post(two.url, params={"id": agreed["connectionId"]}, data=HANDSHAKE, timeout=SECONDS).status_code == 404
    assert http.get(two.url, params={"id": agreed["connectionToken"]}, timeout=SECONDS).status_code == 200


def test_a_websocket_may_skip_negotiation(two: Service, call: Callable[..., Client]) -> None:
    for protocol in ("json", "messagepack"):
        client = call(two, Wire("WebSockets", protocol), skipNegotiation=True)
        assert client.invoke("Add", 1, 2) == 3


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.short)
def test_the_client_knows_its_connection_by_the_public_name(two: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(two, wire)
    state = client.state()
    assert state["id"] == client.invoke("WhoAmI")["id"]
    assert state["token"] not in (None, state["id"])


def test_a_client_left_to_itself_takes_a_websocket(two: Service, make_client: Callable[..., Client]) -> None:
    client = make_client(two, Wire("WebSockets", "json"))
    client.options["transport"] = None
    client.start()
    assert "The HttpConnection connected successfully." in client.logs()
    assert any("WebSocket connected" in line for line in client.logs())
