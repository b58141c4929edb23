"""Silence in both directions, leases and what ends by itself, at timings that a run has patience for.

tests/signalr/test_real_timings.py waits for the real ones.
"""

import time
from collections.abc import Callable

import pytest
import requests

from tests.signalr.client import Client
from tests.signalr.conftest import CLIENT_TIMEOUT, DISCONNECT, KEEP_ALIVE
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, open_events, socket_to, start_polling
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire, until

# Of a client whose patience is the server's.
PING_MILLISECONDS, TIMEOUT_MILLISECONDS = 500, int(CLIENT_TIMEOUT * 1000)


@pytest.mark.races_the_clock  # both sides have to ping in time
def test_idle_connections_outlive_pings_and_time_limits(brisk: Service, call: Callable[..., Client]) -> None:
    clients = [call(brisk, wire, keepAlive=PING_MILLISECONDS, serverTimeout=TIMEOUT_MILLISECONDS) for wire in WIRES]
    before = [client.invoke("WhoAmI") for client in clients]
    time.sleep(CLIENT_TIMEOUT + KEEP_ALIVE)  # being idle is the point
    assert [client.taken("closed") for client in clients] == [[]] * len(WIRES)
    assert [client.invoke("WhoAmI") for client in clients] == before


@pytest.mark.races_the_clock  # timings of seconds
def test_a_client_that_falls_silent_is_closed(brisk: Service, call: Callable[..., Client]) -> None:
    """The official client falls silent when its own pings are an hour apart; its first, at the start, arms the limit."""
    clients = [call(brisk, wire, keepAlive=3_600_000) for wire in WIRES if wire.transport != "LongPolling"]
    for client in clients:
        error = client.closed()
        assert error is not None
        assert "Server returned an error on close" in error


@pytest.mark.races_the_clock  # timings of seconds
def test_a_client_that_never_pings_is_not_expected_to(brisk: Service) -> None:
    with socket_to(brisk) as wire:
        wire.send(HANDSHAKE.decode())
        heard = ""
        end = time.monotonic() + CLIENT_TIMEOUT + KEEP_ALIVE
        while time.monotonic() < end or heard.count('{"type":6}') < 4:
            heard += str(wire.recv(timeout=SECONDS))
        assert '"type":7' not in heard


@pytest.mark.races_the_clock  # a pause of a second would be silence
def test_pings_wait_while_there_is_something_else_to_send(brisk: Service) -> None:
    with socket_to(brisk) as wire:
        wire.send(HANDSHAKE.decode() + '{"type":1,"target":"Trickle","arguments":[40,0.05]}\x1e')
        heard = ""
        while '"Trickled","arguments":[39]' not in heard:
            heard += str(wire.recv(timeout=SECONDS))
        assert '{"type":6}' not in heard


def test_a_server_that_falls_silent_is_left_by_its_client(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    service = make_service(keep_alive=0.5)
    clients = [call(service, Wire(transport, "json"), serverTimeout=4_000) for transport in ("WebSockets", "ServerSentEvents")]
    service.proxy.stall(to_client=True)
    silence = "Server timeout elapsed without receiving a message from the server."
    assert [client.closed() for client in clients] == [silence] * 2


@pytest.mark.races_the_clock  # timings of seconds
def test_a_silent_network_ends_the_connection_on_the_server_too(brisk: Service, call: Callable[..., Client]) -> None:
    client = call(brisk, Wire("WebSockets", "json"), token="secret-unplugged", keepAlive=PING_MILLISECONDS)
    watching = call(brisk, Wire("WebSockets", "json"), url=brisk.servers[0].url, keepAlive=PING_MILLISECONDS)  # by another network
    name = client.invoke("WhoAmI")["id"]
    brisk.proxy.stall(to_server=True)
    try:
        until(lambda: name in watching.invoke("Left", "unplugged"))
    finally:
        brisk.proxy.stall()


@pytest.mark.races_the_clock  # timings of seconds
def test_a_poller_that_does_not_come_back_loses_its_connection(brisk: Service, http: requests.Session, call: Callable[..., Client]) -> None:
    http.headers["Authorization"] = "Bearer secret-lapsed"
    token = start_polling(brisk, http)
    watching = call(brisk, Wire("WebSockets", "json"), keepAlive=PING_MILLISECONDS)
    until(lambda: len(watching.invoke("Left", "lapsed")) == 1)
    assert http.get(brisk.url, params={"id": token}, timeout=SECONDS).status_code == 404


@pytest.mark.races_the_clock  # it has to come back in time
def test_a_poller_whose_network_is_cut_comes_back_in_time_and_misses_nothing(brisk: Service, http: requests.Session) -> None:
    token = start_polling(brisk, http)
    sent = b'{"type":1,"target":"Trickle","arguments":[10,0.05]}\x1e'
    assert http.post(brisk.url, params={"id": token}, data=sent, timeout=SECONDS).status_code == 200
    heard = b""
    while b'"arguments":[9]' not in heard:
        heard += http.get(brisk.url, params={"id": token}, timeout=SECONDS).content
        time.sleep(0.1)
    assert [f'"arguments":[{number}]'.encode() in heard for number in range(10)] == [True] * 10


@pytest.mark.races_the_clock  # timings of seconds
def test_a_negotiation_that_nobody_takes_up_is_forgotten(brisk: Service, http: requests.Session) -> None:
    token = negotiate(brisk, http)["connectionToken"]
    time.sleep(DISCONNECT + 1)  # longer than a connection may be without a transport
    assert http.get(brisk.url, params={"id": token}, timeout=SECONDS).status_code == 404


@pytest.mark.races_the_clock  # timings of seconds
def test_a_stream_of_events_that_breaks_is_over(brisk: Service, http: requests.Session, call: Callable[..., Client]) -> None:
    http.headers["Authorization"] = "Bearer secret-broken-off"
    token = negotiate(brisk, http)["connectionToken"]
    with open_events(brisk, http, token) as stream:
        assert http.post(brisk.url, params={"id": token}, data=HANDSHAKE, timeout=SECONDS).status_code == 200
        for line in stream.iter_lines():
            if b"Welcome" in line:
                break
    watching = call(brisk, Wire("WebSockets", "json"), keepAlive=PING_MILLISECONDS)
    until(lambda: len(watching.invoke("Left", "broken-off")) == 1)
    assert http.post(brisk.url, params={"id": token}, data=b'{"type":6}\x1e', timeout=SECONDS).status_code == 404


@pytest.mark.races_the_clock  # timings of seconds
def test_long_polling_needs_no_pings(brisk: Service, http: requests.Session) -> None:
    token = start_polling(brisk, http)
    heard = b"".join(http.get(brisk.url, params={"id": token}, timeout=SECONDS).content for _ in range(3))
    assert heard == b""
