"""Many at once, and those who do not read what they asked for."""

import socket
from collections.abc import Callable

import pytest
import requests

from tests.signalr.client import Client
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, open_events
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire, until

CROWD = 200
# What a process may grow by while somebody does not read: the bound of what is outstanding is 1 MiB, twice for its two forms.
FLAT = 25_000_000


@pytest.mark.parametrize("wires", [WIRES[:1], WIRES[1:2], WIRES], ids=["websockets-json", "websockets-messagepack", "all-kinds"])
def test_two_hundred_connections_all_hear_every_broadcast_in_order(
    two: Service, make_client: Callable[..., Client], wires: list[Wire]
) -> None:
    clients = [make_client(two, wires[number % len(wires)], token=f"secret-crowd-{number}") for number in range(CROWD)]
    for starting in [client.begin_start() for client in clients]:
        starting.result(SECONDS)
    for client in clients:
        client.message("Welcome")
    for number in range(5):
        clients[number].invoke("Broadcast", {"number": number})
    for client in clients:
        assert [client.message("Broadcasted")[0]["number"] for _ in range(5)] == list(range(5))
    assert [client.taken("closed") for client in clients] == [[]] * CROWD


def test_two_hundred_connections_call_at_once_and_each_gets_its_own_answer(two: Service, make_client: Callable[..., Client]) -> None:
    clients = [make_client(two, WIRES[number % len(WIRES)]) for number in range(CROWD)]
    for starting in [client.begin_start() for client in clients]:
        starting.result(SECONDS)
    answers = [client.begin_invoke("Echo", client.number) for client in clients]
    assert [answer.result(SECONDS) for answer in answers] == [client.number for client in clients]


def test_connections_that_came_and_went_leave_nothing_behind(
    make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    service = make_service()
    for _ in range(2):
        _come_and_go(service, make_client)
    before = service.servers[0].memory()
    for _ in range(4):
        _come_and_go(service, make_client)
    assert service.servers[0].memory() - before < 8_000_000


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
def test_a_websocket_that_is_not_read_is_closed_and_memory_stays_flat(
    make_service: Callable[..., Service], call: Callable[..., Client], protocol: str
) -> None:
    service = make_service(client_timeout=60)
    watching = call(service, Wire("WebSockets", "json"))
    before = service.servers[0].memory()
    with _stalled_socket(service, protocol):
        until(lambda: watching.invoke("Left", f"stalled-{protocol}") != [], seconds=20)
        assert service.servers[0].memory() - before < FLAT
        assert watching.invoke("Add", 1, 2) == 3


def test_a_stream_of_events_that_is_not_read_is_closed_and_memory_stays_flat(
    make_service: Callable[..., Service], call: Callable[..., Client], http: requests.Session
) -> None:
    service = make_service(client_timeout=60)
    http.headers["Authorization"] = "Bearer secret-stalled-events"
    token = negotiate(service, http)["connectionToken"]
    watching = call(service, Wire("WebSockets", "json"))
    with open_events(service, http, token):
        before = service.servers[0].memory()
        for sent in (HANDSHAKE, _FLOOD):
            assert http.post(service.url, params={"id": token}, data=sent, timeout=SECONDS).status_code == 200
        until(lambda: watching.invoke("Left", "stalled-events") != [], seconds=20)
        assert service.servers[0].memory() - before < FLAT


def test_a_poller_that_never_polls_is_closed_and_memory_stays_flat(
    make_service: Callable[..., Service], call: Callable[..., Client], http: requests.Session
) -> None:
    service = make_service(client_timeout=60, disconnect=60)
    http.headers["Authorization"] = "Bearer secret-stalled-poller"
    token = negotiate(service, http)["connectionToken"]
    watching = call(service, Wire("WebSockets", "json"))
    assert http.get(service.url, params={"id": token}, timeout=SECONDS).status_code == 200
    before = service.servers[0].memory()
    for sent in (HANDSHAKE, _FLOOD):
        assert http.post(service.url, params={"id": token}, data=sent, timeout=SECONDS).status_code == 200
    until(lambda: watching.invoke("Left", "stalled-poller") != [], seconds=20)
    assert service.servers[0].memory() - before < FLAT


def test_a_slow_reader_gets_the_newest_progress_and_not_a_queue(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    service = make_service()
    client = call(service, Wire("WebSockets", "json"))
    watching = call(service, Wire("WebSockets", "json"), url=service.servers[0].url)
    service.proxy.stall(to_client=True)
    client.send("FillUp", 0.3)  # every buffer on the way, so that what follows has to wait in the process
    until(lambda: watching.invoke("IsFull", "ann"))
    for _ in range(5):
        client.send("Progress", 2_000)
    client.send("SendMe", "last")
    until(lambda: watching.invoke("HowOftenSent", "ann") == 1)
    service.proxy.stall()
    assert client.message("Sent") == ["last"]
    seen = [event["arguments"][0] for event in client.taken("message") if event["target"] == "Progressed"]
    assert seen == [2_000]


# About 50 MB to whoever asked, unless somebody stops it.
_FLOOD = b'{"type":1,"target":"Flood","arguments":[5000,10000]}\x1e'


def _stalled_socket(service: Service, protocol: str) -> socket.socket:
    """A WebSocket whose reader asks for 50 MB and never reads."""
    wire = socket.create_connection(("127.0.0.1", service.servers[0].port))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    wire.sendall(
        (
            f"GET /echo?access_token=secret-stalled-{protocol} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        ).encode()
    )
    assert b"101" in wire.recv(12)
    wire.sendall(_frame(f'{{"protocol":"{protocol}","version":1}}\x1e'.encode(), opcode=1))
    if protocol == "json":
        wire.sendall(_frame(_FLOOD, opcode=1))
    else:
        wire.sendall(_frame(b"\x12\x96\x01\x80\xc0\xa5Flood\x92\xcd\x13\x88\xcd\x27\x10\x90", opcode=2))
    return wire


def _frame(payload: bytes, *, opcode: int) -> bytes:
    """A WebSocket frame from a client, masked with zeros."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _come_and_go(service: Service, make_client: Callable[..., Client]) -> None:
    clients = [make_client(service, WIRES[number % len(WIRES)]) for number in range(100)]
    for starting in [client.begin_start() for client in clients]:
        starting.result(SECONDS)
    for stopping in [client.begin("stop") for client in clients]:
        stopping.result(SECONDS)
