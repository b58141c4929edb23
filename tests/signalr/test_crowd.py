"""Many at once, and those who do not read what they asked for."""

import socket
from collections.abc import Callable, Iterator

import pytest
import requests

from conduit.signalr.connection import Connection
from tests.settings import VALKEY
from tests.signalr.client import Client
from tests.signalr.conftest import ROOMY
from tests.signalr.measuring import Held
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, open_events
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire, until

CROWD = 200
# A client may leave a tenth of the shipped bound unsent. What waits for its turn, and not for the client, may be four times as much.
OUTSTANDING = 100_000
FLAT = 20 * OUTSTANDING
# Fifty megabytes to whoever asked, unless somebody stops it.
_FLOOD = b'{"type":1,"target":"Flood","arguments":[5000,10000]}\x1e'


@pytest.fixture(scope="module")
def measured() -> Iterator[Service]:
    """One process that tells what it holds, and that closes nobody for being silent."""
    options = ROOMY | {"client_timeout": 600, "disconnect": 600, "outstanding_bytes": OUTSTANDING}
    service = Service(VALKEY.url, processes=1, is_measured=True, **options)
    yield service
    service.close()


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


@pytest.mark.soak
def test_connections_that_came_and_went_leave_nothing_behind(
    measured: Service, make_client: Callable[..., Client], call: Callable[..., Client]
) -> None:
    watching = call(measured, Wire("WebSockets", "json"))
    _come_and_go(measured, make_client, watching)
    before = _held_by_one(measured)  # with what is made once, for all who come
    came = sum(_come_and_go(measured, make_client, watching) for _ in range(3))
    until(lambda: measured.servers[0].held().more_than(before, came) == [])  # ends of requests may still be on their way


def _held_by_one(service: Service) -> Held:
    """What the process holds when one connection is left; its clock may remember the last that it looked at."""
    kind = f"{Connection.__module__}.{Connection.__qualname__}"
    until(lambda: service.servers[0].held().kinds[kind] <= 2)
    return service.servers[0].held()


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
def test_a_websocket_that_is_not_read_is_closed_and_memory_stays_flat(
    measured: Service, call: Callable[..., Client], protocol: str
) -> None:
    watching = call(measured, Wire("WebSockets", "json"))
    before = measured.servers[0].held()
    with _stalled_socket(measured, protocol):
        until(lambda: watching.invoke("Left", f"stalled-{protocol}") != [])
        assert measured.servers[0].held().peak - before.bytes < FLAT
        assert watching.invoke("Add", 1, 2) == 3


def test_a_stream_of_events_that_is_not_read_is_closed_and_memory_stays_flat(
    measured: Service, call: Callable[..., Client], http: requests.Session
) -> None:
    http.headers["Authorization"] = "Bearer secret-stalled-events"
    token = negotiate(measured, http)["connectionToken"]
    watching = call(measured, Wire("WebSockets", "json"))
    with open_events(measured, http, token):
        _flood_and_leave(measured, http, token, watching, "stalled-events")


def test_a_poller_that_never_polls_is_closed_and_memory_stays_flat(
    measured: Service, call: Callable[..., Client], http: requests.Session
) -> None:
    http.headers["Authorization"] = "Bearer secret-stalled-poller"
    token = negotiate(measured, http)["connectionToken"]
    watching = call(measured, Wire("WebSockets", "json"))
    assert http.get(measured.url, params={"id": token}, timeout=SECONDS).status_code == 200
    _flood_and_leave(measured, http, token, watching, "stalled-poller")


def _flood_and_leave(service: Service, http: requests.Session, token: str, watching: Client, user: str) -> None:
    """Ask for 50 MB over HTTP and take none of it, until the connection is closed."""
    before = service.servers[0].held()
    for sent in (HANDSHAKE, _FLOOD):
        assert http.post(service.url, params={"id": token}, data=sent, timeout=SECONDS).status_code == 200
    until(lambda: watching.invoke("Left", user) != [])
    assert service.servers[0].held().peak - before.bytes < FLAT


def test_a_slow_reader_gets_the_newest_progress_and_not_a_queue(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    service = make_service()
    client = call(service, Wire("WebSockets", "json"))
    watching = call(service, Wire("WebSockets", "json"), url=service.servers[0].url)
    service.proxy.stall(to_client=True)
    client.send("FillUp", 1.0)  # every buffer on the way, so that what follows has to wait in the process
    until(lambda: watching.invoke("IsFull", "ann"))
    for _ in range(5):
        client.send("Progress", 2_000)
    client.send("SendMe", "last")
    until(lambda: watching.invoke("HowOftenSent", "ann") == 1)
    service.proxy.stall()
    assert client.message("Sent") == ["last"]
    seen = [event["arguments"][0] for event in client.taken("message") if event["target"] == "Progressed"]
    assert seen == [2_000]


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


def _come_and_go(service: Service, make_client: Callable[..., Client], watching: Client) -> int:
    """How many came; all are gone."""
    clients = [make_client(service, WIRES[number % len(WIRES)]) for number in range(40)]
    for starting in [client.begin_start() for client in clients]:
        starting.result(SECONDS)
    for stopping in [client.begin("stop") for client in clients]:
        stopping.result(SECONDS)
    until(lambda: watching.invoke("BroadcastHere", None) == 1)
    return len(clients)
