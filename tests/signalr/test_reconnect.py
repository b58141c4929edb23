"""Wires that are cut, processes that die and a Redis that goes away, as a client that reconnects lives through them."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.settings import VALKEY
from tests.signalr.client import Client, ClientError
from tests.signalr.conftest import ROOMY
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, socket_to
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire, until
from tests.support.valkey import ValkeyForTests

# A client's patience between attempts, in milliseconds.
ATTEMPTS = [0] + [100] * 300
STATEFUL_WIRES = [Wire("WebSockets", "json"), Wire("WebSockets", "messagepack")]
stateful_wires = pytest.mark.parametrize("wire", STATEFUL_WIRES, ids=lambda wire: wire.short)


@pytest.fixture(scope="module")
def cuttable() -> Iterator[Service]:
    """Two processes of this module's own: cutting wires would hurt the other cases."""
    service = Service(VALKEY.url, processes=2, **ROOMY)
    yield service
    service.close()


@pytest.mark.parametrize("transport", ["WebSockets", "ServerSentEvents"])
def test_a_cut_wire_ends_a_client_that_does_not_reconnect(cuttable: Service, call: Callable[..., Client], transport: str) -> None:
    client = call(cuttable, Wire(transport, "json"))
    waiting = client.begin_invoke("Slow", 5)
    cuttable.proxy.cut()
    client.closed()
    with pytest.raises(ClientError):
        waiting.result(SECONDS)


def _cut(service: Service, client: Client) -> None:
    """Cut its wire, more than once if need be: between two long polls there is none."""
    for _ in range(20):
        service.proxy.cut()
        with contextlib.suppress(AssertionError):
            client.next("reconnecting", seconds=0.5)
            return
    raise AssertionError("the client noticed no cut")


def test_a_cut_wire_makes_the_client_connect_anew(cuttable: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(cuttable, wire, reconnect=ATTEMPTS)
    before = client.invoke("WhoAmI")["id"]
    _cut(cuttable, client)
    assert client.next("reconnected")["id"] != before
    assert client.invoke("Add", 1, 2) == 3


def test_a_client_that_finds_nobody_tries_again(cuttable: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(cuttable, wire, reconnect=ATTEMPTS)
    cuttable.proxy.refuse()
    try:
        cuttable.proxy.cut()
        client.next("reconnecting")
    finally:
        cuttable.proxy.refuse(False)
    client.next("reconnected")
    assert client.invoke("Add", 1, 2) == 3


@stateful_wires
def test_stateful_reconnect_stays_the_same_connection_across_a_cut(cuttable: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(cuttable, wire, stateful=100_000)
    before = client.invoke("WhoAmI")
    for _ in range(4):
        cuttable.proxy.cut()
        assert client.invoke("WhoAmI") == before
    assert client.taken("closed") == []


@stateful_wires
def test_stateful_reconnect_loses_nothing_and_doubles_nothing(cuttable: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(cuttable, wire, stateful=100_000)
    client.invoke("Trickle", 150, 0.01)
    seen = []
    for number in range(150):
        seen.append(client.message("Trickled")[0])
        if number % 40 == 20:
            cuttable.proxy.cut()
    assert seen == list(range(150))
    assert client.invoke("Add", 1, 2) == 3
    assert client.taken("message") == [event for event in client.taken("message") if event["target"] == "Welcome"]


@stateful_wires
def test_calls_made_while_the_wire_is_cut_are_answered_once_each(cuttable: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(cuttable, wire, stateful=100_000)
    for _ in range(3):  # the client gives up when its wire is cut while it reconnects: one cut at a time
        answers = [client.begin_invoke("Echo", number) for number in range(15)]
        cuttable.proxy.cut()
        answers += [client.begin_invoke("Echo", number) for number in range(15, 30)]
        assert [answer.result(SECONDS) for answer in answers] == list(range(30))


@stateful_wires
def test_a_stream_goes_on_across_a_cut(cuttable: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(cuttable, wire, stateful=100_000)
    stream = client.stream("Count", 100, 0.01)
    client.next("item", stream=stream, item=20)
    cuttable.proxy.cut()
    items, end = client.items(stream)
    assert items == [number for number in range(100) if number != 20]
    assert end["event"] == "complete"


@stateful_wires
def test_broadcasts_across_a_cut_arrive_in_order(cuttable: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(cuttable, wire, stateful=100_000)
    speaker = call(cuttable, Wire("WebSockets", "json"), url=cuttable.servers[0].url)  # its own wire is not cut
    client.message("Welcome")
    for number in range(30):
        if number == 10:
            cuttable.proxy.cut()
        speaker.invoke("Broadcast", number)
    assert [client.message("Broadcasted")[0] for _ in range(30)] == list(range(30))


@stateful_wires
def test_a_flood_far_above_the_stateful_buffer_arrives_whole(cuttable: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(cuttable, wire, stateful=100_000)
    flood = client.begin_invoke("Flood", 400, 1_000)
    assert [number for number, _ in client.messages("Flooded", 400)] == list(range(400))
    assert flood.result(SECONDS) == 400


def test_stateful_reconnect_is_refused_when_the_owner_is_gone_and_the_client_starts_anew(
    make_service: Callable[..., Service], call: Callable[..., Client]
) -> None:
    service = make_service(processes=2, lease=2)
    client = call(service, Wire("WebSockets", "json"), stateful=100_000, reconnect=ATTEMPTS)
    before = client.invoke("WhoAmI")
    service.serving(before["process"]).stop(signal.SIGKILL)
    client.next("reconnecting")
    client.next("reconnected")
    after = client.invoke("WhoAmI")
    assert after["id"] != before["id"]
    assert after["process"] != before["process"]


@pytest.mark.races_the_clock  # timings of seconds
def test_stateful_reconnect_after_too_long_is_refused_and_the_client_starts_anew(brisk: Service, call: Callable[..., Client]) -> None:
    client = call(brisk, Wire("WebSockets", "json"), stateful=100_000, reconnect=ATTEMPTS, keepAlive=300)
    before = client.invoke("WhoAmI")["id"]
    watching = call(brisk, Wire("LongPolling", "json"), reconnect=ATTEMPTS)
    brisk.proxy.refuse()
    try:
        brisk.proxy.cut()
        client.next("reconnecting")
    finally:
        brisk.proxy.refuse(False)
    assert client.next("reconnected")["id"] != before
    until(lambda: before in _invoke_again(watching, "Left", "ann"))


def test_a_sequence_that_leaves_a_gap_ends_the_connection(cuttable: Service, http: requests.Session) -> None:
    token = negotiate(cuttable, http, useStatefulReconnect="true")["connectionToken"]
    with socket_to(cuttable, id=token) as wire:
        wire.send('{"protocol":"json","version":2}\x1e')
        wire.send('{"type":9,"sequenceId":77}\x1e')
        heard = ""
        while '"type":7' not in heard:
            heard += str(wire.recv(timeout=SECONDS))
        assert '"error"' in heard


@pytest.mark.parametrize(
    "wire_", [STATEFUL_WIRES[0], Wire("ServerSentEvents", "json"), Wire("LongPolling", "messagepack")], ids=lambda w: w.short
)
def test_a_killed_process_loses_its_clients_to_the_other_one(
    make_service: Callable[..., Service], call: Callable[..., Client], wire_: Wire
) -> None:
    service = make_service(processes=2, lease=2)
    client = call(service, wire_, reconnect=ATTEMPTS)
    before = client.invoke("WhoAmI")["process"]
    service.serving(before).stop(signal.SIGKILL)
    client.next("reconnected")
    assert client.invoke("WhoAmI")["process"] != before


def test_a_terminated_process_sends_its_clients_to_the_other_one(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    service = make_service(processes=2)
    clients = [call(service, wire, reconnect=ATTEMPTS) for wire in WIRES for _ in range(3)]
    staying, leaving = service.servers
    moved = [client for client in clients if client.invoke("WhoAmI")["process"] == leaving.pid]
    assert moved
    leaving.stop(signal.SIGTERM)
    for client in moved:
        client.next("reconnected")
    assert {client.invoke("WhoAmI")["process"] for client in clients} == {staying.pid}
    assert [client.taken("closed") for client in clients] == [[]] * len(clients)
    assert "Traceback" not in service.said()


@pytest.mark.races_the_clock  # a client that says nothing has half a second to start
def test_whoever_still_comes_to_a_process_that_drains_connects_and_is_told_to_come_again(
    make_service: Callable[..., Service], call: Callable[..., Client]
) -> None:
    service = make_service(processes=2, closing=60)
    # A reader that takes nothing holds the drain up, so that there is a time to look at it.
    client = call(service, Wire("WebSockets", "json"))
    leaving = service.serving(client.invoke("WhoAmI")["process"])
    service.proxy.stall(to_client=True)
    watching = call(service, Wire("WebSockets", "json"), url=leaving.url)
    client.send("FillUp", 0.3)
    until(lambda: watching.invoke("IsFull", "ann"))

    os.kill(leaving.pid, signal.SIGTERM)
    watching.closed()

    for wire in WIRES:
        call(service, wire, url=leaving.url, reconnect=[60_000]).next("reconnecting")
    service.proxy.stall()


def test_websockets_live_through_a_restart_of_redis(
    make_service: Callable[..., Service], own_valkey: ValkeyForTests, call: Callable[..., Client], http: requests.Session
) -> None:
    service = make_service(processes=2, redis_url=own_valkey.url)
    client = call(service, Wire("WebSockets", "json"))
    before = client.invoke("WhoAmI")
    own_valkey.stop()
    assert client.invoke("WhoAmI") == before
    refused = http.post(service.url + "/negotiate", timeout=SECONDS)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    with socket_to(service) as skipping:
        skipping.send(HANDSHAKE.decode())
        assert skipping.recv(timeout=SECONDS) == "{}\x1e"
    own_valkey.start()
    until(lambda: http.post(service.url + "/negotiate", timeout=SECONDS).status_code == 200)
    assert client.invoke("WhoAmI") == before
    assert client.taken("closed") == []


def test_everybody_is_served_again_after_a_restart_of_redis(
    make_service: Callable[..., Service], own_valkey: ValkeyForTests, call: Callable[..., Client]
) -> None:
    service = make_service(processes=2, redis_url=own_valkey.url, keep_alive=0.5, lease=2)
    clients = [call(service, wire, reconnect=ATTEMPTS, serverTimeout=5_000, keepAlive=500) for wire in WIRES]
    own_valkey.stop()
    own_valkey.start()
    for client in clients:
        # A connection to Redis that broke is found when it is used: the first calls may be refused with 503.
        until(lambda client=client: all(_still_serves(client) for _ in range(10)), seconds=60)


def _still_serves(client: Client) -> bool:
    try:
        return bool(client.begin_invoke("Add", 1, 2).result(3) == 3)
    except (ClientError, TimeoutError):
        return False


def _invoke_again(client: Client, method: str, *args: object) -> list[str]:
    """A client that was itself cut off answers when it is back."""
    try:
        found: list[str] = client.invoke(method, *args)
    except ClientError:
        return []
    return found
