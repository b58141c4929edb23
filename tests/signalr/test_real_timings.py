"""The same silences as in test_timings, at the values that ship. Each waits for most of a minute: `make soak`."""

import itertools
import time
from collections.abc import Callable

import pytest
import requests

from tests.signalr.client import Client
from tests.signalr.raw import HANDSHAKE, negotiate, socket_to, start_polling
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire

pytestmark = [pytest.mark.soak, pytest.mark.races_the_clock]


def test_idle_connections_outlive_two_time_limits(two: Service, call: Callable[..., Client]) -> None:
    clients = [call(two, wire) for wire in WIRES]
    before = [client.invoke("WhoAmI") for client in clients]
    time.sleep(65)  # being idle is the point
    assert [client.taken("closed") for client in clients] == [[]] * len(clients)
    assert [client.invoke("WhoAmI") for client in clients] == before


def test_a_ping_comes_every_fifteen_seconds(one: Service) -> None:
    with socket_to(one) as wire:
        wire.send(HANDSHAKE.decode())
        pings: list[float] = []
        while len(pings) < 3:
            if '{"type":6}' in str(wire.recv(timeout=20)):
                pings.append(time.monotonic())
        assert [15 <= later - earlier < 17 for earlier, later in itertools.pairwise(pings)] == [True, True]


def test_a_client_that_falls_silent_is_closed_after_thirty_seconds(one: Service, call: Callable[..., Client]) -> None:
    client = call(one, Wire("WebSockets", "json"), keepAlive=3_600_000)
    began = time.monotonic()
    assert "Server returned an error on close" in str(client.closed(seconds=40))
    assert 29 < time.monotonic() - began < 33


def test_who_never_shakes_hands_is_let_go_after_fifteen_seconds(one: Service) -> None:
    with socket_to(one) as wire:
        began = time.monotonic()
        assert list(wire) == ['{"error":"Handshake was canceled."}\x1e']
        assert 14 < time.monotonic() - began < 18


def test_a_poll_ends_empty_after_ninety_seconds(one: Service, http: requests.Session) -> None:
    token = start_polling(one, http)
    answer = http.get(one.url, params={"id": token}, timeout=100)
    assert (answer.status_code, answer.content) == (200, b"")
    assert 89 < answer.elapsed.total_seconds() < 93


def test_a_negotiation_that_nobody_takes_up_is_forgotten_after_fifteen_seconds(one: Service, http: requests.Session) -> None:
    early, late = negotiate(one, http)["connectionToken"], negotiate(one, http)["connectionToken"]
    time.sleep(10)
    assert http.get(one.url, params={"id": early}, timeout=60).status_code == 200
    time.sleep(8)
    assert http.get(one.url, params={"id": late}, timeout=60).status_code == 404
