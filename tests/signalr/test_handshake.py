"""The first messages: what is agreed, what is refused, and who says nothing."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.signalr.client import Client, ClientError
from tests.signalr.raw import SECONDS, negotiate, socket_to
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire, until

# What ASP.NET says to who sends something else than a handshake, and to who sends none in time or one too long.
BROKEN = '{"error":"An unexpected error occurred during connection handshake."}\x1e'
CANCELLED = '{"error":"Handshake was canceled."}\x1e'


@pytest.mark.parametrize("name", ["nonsense", "", "JSON5", "blazorpack"])
def test_an_unknown_protocol_is_refused_by_name(two: Service, wire: Wire, make_client: Callable[..., Client], name: str) -> None:
    with pytest.raises(ClientError) as refused:
        make_client(two, wire, introducedAs={"name": name}).start()
    assert str(refused.value) == f"Server returned handshake error: The protocol '{name}' is not supported."


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_that_clients_speak_are_taken(two: Service, version: int) -> None:
    with socket_to(two) as wire:
        assert _shake(wire, protocol="json", version=version) == {}


@pytest.mark.parametrize("version", [-1, 3, 99])
def test_an_unknown_version_is_refused_by_number(two: Service, version: int) -> None:
    with socket_to(two) as wire:
        assert _shake(wire, protocol="json", version=version) == {
            "error": f"The server does not support version {version} of the 'json' protocol."
        }


@pytest.mark.parametrize(
    "sent",
    [
        "nonsense\x1e",
        "{}\x1e",
        '{"protocol":"json"}\x1e',
        '{"version":1}\x1e',
        '{"protocol":7,"version":1}\x1e',
        '{"protocol":"json","version":"1"}\x1e',
        '{"protocol":"json","version":true}\x1e',
        '["json",1]\x1e',
        "null\x1e",
        "\x1e",
        "[" * 3000 + "]" * 3000 + "\x1e",
    ],
    ids=lambda sent: sent[:24],
)
def test_a_broken_handshake_is_answered_with_an_error_and_ends(two: Service, sent: str) -> None:
    with socket_to(two) as wire:
        wire.send(sent)
        assert _rest(wire) == [BROKEN]


def test_a_handshake_without_an_end_is_not_collected_for_ever(two: Service) -> None:
    with socket_to(two) as wire:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100):
                wire.send("x" * 30_000)
        assert set(_rest(wire)) <= {CANCELLED}  # the end may overtake it


def test_whatever_follows_the_handshake_in_the_same_frame_is_heard(two: Service) -> None:
    with socket_to(two) as wire:
        wire.send('{"protocol":"json","version":1}\x1e{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}\x1e')
        assert _answer_of(wire, "1") == {"type": 3, "invocationId": "1", "result": 3}


def test_a_handshake_that_comes_in_pieces_is_put_together(two: Service) -> None:
    with socket_to(two) as wire:
        wire.send('{"protocol":"js')
        wire.send('on","version":1}\x1e')
        assert wire.recv(timeout=SECONDS) == "{}\x1e"


def test_json_travels_in_text_frames(two: Service) -> None:
    with socket_to(two) as wire:
        wire.send('{"protocol":"json","version":1}\x1e')
        assert isinstance(wire.recv(timeout=SECONDS), str)
        assert isinstance(wire.recv(timeout=SECONDS), str)


def test_messagepack_travels_in_binary_frames(two: Service) -> None:
    with socket_to(two) as wire:
        wire.send(b'{"protocol":"messagepack","version":1}\x1e')
        answer = wire.recv(timeout=SECONDS)
        assert (answer if isinstance(answer, bytes) else answer.encode()) == b"{}\x1e"
        assert isinstance(wire.recv(timeout=SECONDS), bytes)


def test_messagepack_over_server_sent_events_is_refused(two: Service, make_client: Callable[..., Client]) -> None:
    with pytest.raises(ClientError):
        make_client(two, Wire("ServerSentEvents", "messagepack")).start()


@pytest.mark.races_the_clock  # timings of seconds
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.short)
def test_who_never_shakes_hands_is_let_go(brisk: Service, http: requests.Session, wire: Wire) -> None:
    token = negotiate(brisk, http)["connectionToken"]
    if wire.transport == "WebSockets":
        with socket_to(brisk, id=token) as socket:
            assert _rest(socket) == [CANCELLED]
    elif wire.transport == "ServerSentEvents":
        with http.get(brisk.url, params={"id": token}, headers={"Accept": "text/event-stream"}, stream=True, timeout=SECONDS) as stream:
            assert stream.status_code == 200
            assert b"".join(stream.iter_content(1024)) == f":\r\n\r\ndata: {CANCELLED}\r\n\r\n".encode()
    else:
        assert b"".join(_polls(brisk, http, token)) == CANCELLED.encode()
    until(lambda: http.post(brisk.url, params={"id": token}, data=b"{}", timeout=SECONDS).status_code in {404, 405})


def _shake(wire: ClientConnection, **wanted: object) -> object:
    wire.send(json.dumps(wanted) + "\x1e")
    answer = wire.recv(timeout=SECONDS)
    assert isinstance(answer, str)
    return json.loads(answer.partition("\x1e")[0])


def _answer_of(wire: ClientConnection, invocation: str) -> object:
    while True:
        for text in str(wire.recv(timeout=SECONDS)).split("\x1e"):
            message = json.loads(text) if text else {}
            if message.get("invocationId") == invocation:
                return message


def _rest(wire: ClientConnection) -> list[str | bytes]:
    """All that still comes before the server ends the connection."""
    heard = []
    end = time.monotonic() + SECONDS
    with contextlib.suppress(ConnectionClosed):
        while True:  # TimeoutError when it does not end
            heard.append(wire.recv(timeout=end - time.monotonic()))
    return heard


def _polls(service: Service, http: requests.Session, token: str) -> Iterator[bytes]:
    """What each poll brings until one says that the connection is over."""
    end = time.monotonic() + SECONDS
    while (poll := http.get(service.url, params={"id": token}, timeout=SECONDS)).status_code == 200:
        assert time.monotonic() < end, "the connection does not end"
        yield poll.content
    assert poll.status_code == 204
