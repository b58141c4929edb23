"""A client that says more than its methods take is read no faster than they do, and loses nothing."""

import json
import socket
import threading
from collections.abc import Callable

from conduit.signalr.wires import AHEAD
from tests.signalr.client import Client
from tests.signalr.raw import HANDSHAKE, SECONDS, socket_to
from tests.signalr.servers import Service
from tests.signalr.wires import Wire, until

LARGE = "x" * 30_000
STUCK_SECONDS = 120
MANY = 1000  # of these: far more than the buffers of two sockets hold


def _written(target: str, *arguments: object, **more: object) -> str:
    return json.dumps({"type": 1, "target": target, "arguments": arguments, **more}) + "\x1e"


def test_a_websocket_is_not_read_while_a_method_is_slow_and_then_all_of_it(two: Service) -> None:
    sent = 0
    with socket_to(two.servers[0]) as wire:
        wire.send(HANDSHAKE.decode())
        wire.send(_written("Slow", 3, invocationId="slow"))

        def send_all() -> None:
            nonlocal sent
            for _ in range(MANY):
                wire.send(_written("Echo", LARGE))
                sent += 1
            wire.send(_written("Add", 1, 2, invocationId="last"))

        sending = threading.Thread(target=send_all)
        sending.start()
        heard = ""
        while '"slow"' not in heard:
            heard += str(wire.recv(timeout=SECONDS))
        assert 0 < sent < MANY
        while '"last"' not in heard:
            heard += str(wire.recv(timeout=SECONDS))
        sending.join()
        assert '"result":3' in heard


def test_a_client_that_is_not_read_is_not_silent(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    """It has pinged, and nobody hears it ping again while its calls wait."""
    service = make_service(client_timeout=3.0, keep_alive=0.3, pending_invocations=2)
    client = call(service, Wire("WebSockets", "json"), keepAlive=200)
    client.invoke("Slow", 0.5)
    calls = [client.begin_invoke("Slow", 5), *[client.begin_invoke("Slow", 0) for _ in range(20)]]
    assert [one.result(SECONDS) for one in calls] == ["done"] * 21
    assert client.taken("closed") == []


def test_a_method_that_never_ends_does_not_keep_a_client_that_left(
    make_service: Callable[..., Service], call: Callable[..., Client]
) -> None:
    """It says so when nothing of it is read any more."""
    service = make_service(pending_invocations=2, keep_alive=0.3, closing=1.0)
    watcher = call(service, Wire("WebSockets", "json"))
    client = call(service, Wire("WebSockets", "json"), token="secret-stuck")
    for _ in range(10):
        client.begin("send", method="Slow", args=[STUCK_SECONDS])
    until(lambda: watcher.invoke("Unread", "stuck") is not None)
    client.stop()
    until(lambda: bool(watcher.invoke("Left", "stuck")), seconds=STUCK_SECONDS / 2)


def test_a_client_that_is_cut_off_while_much_of_it_is_unread_is_not_kept_either(
    make_service: Callable[..., Service], call: Callable[..., Client]
) -> None:
    service = make_service(pending_invocations=2, closing=1.0)
    watcher = call(service, Wire("WebSockets", "json"))
    with socket_to(service.servers[0], token="secret-cut") as wire:
        wire.send(HANDSHAKE.decode())
        wire.send(_written("Slow", STUCK_SECONDS) * 3)
        for _ in range(3):
            wire.send(_written("Echo", LARGE))
        until(lambda: (watcher.invoke("Unread", "cut") or 0) > AHEAD)
        wire.socket.shutdown(socket.SHUT_WR)
        until(lambda: bool(watcher.invoke("Left", "cut")), seconds=STUCK_SECONDS / 2)


def test_what_a_client_called_before_it_left_is_done_although_it_was_not_read_then(
    make_service: Callable[..., Service], call: Callable[..., Client]
) -> None:
    service = make_service(pending_invocations=2)
    watcher = call(service, Wire("WebSockets", "json"))
    with socket_to(service.servers[0], token="secret-parting") as wire:
        wire.send(HANDSHAKE.decode())
        wire.send(_written("Slow", 0.5) + _written("SendMe", 1) * 20)
        until(lambda: watcher.invoke("Unread", "parting") is not None)
    until(lambda: bool(watcher.invoke("Left", "parting")))
    assert watcher.invoke("HowOftenSent", "parting") == 20
