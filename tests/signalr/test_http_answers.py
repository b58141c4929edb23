"""The answer to each request, one row of ASP.NET Core's table at a time."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from conduit.signalr.http import TooLarge, body_of
from tests.signalr.client import Client
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, open_events, refusal_of, socket_to, start_polling
from tests.signalr.servers import Service
from tests.signalr.wires import Wire, until

# What keeps an answer out of every cache, those that know nothing newer too.
OLD_CACHES = {"Cache-Control": "no-cache, no-store", "Pragma": "no-cache", "Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_without_an_id_is_400(two: Service, http: requests.Session, method: str) -> None:
    for query in ({}, {"id": ""}):
        assert http.request(method, two.url, params=query, timeout=SECONDS).status_code == 400


@pytest.mark.parametrize("name", ["nonsense", "../../etc", "x" * 5000, "\x00"], ids=["nonsense", "path", "long", "nul"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_id_is_404(two: Service, http: requests.Session, method: str, name: str) -> None:
    assert http.request(method, two.url, params={"id": name}, timeout=SECONDS).status_code == 404


def test_an_unknown_id_is_refused_to_a_websocket(two: Service) -> None:
    assert refusal_of(two, id="nonsense") in {403, 404}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE"])
def test_another_method_is_405(two: Service, http: requests.Session, method: str) -> None:
    token = negotiate(two, http)["connectionToken"]
    assert http.request(method, two.url, params={"id": token}, timeout=SECONDS).status_code == 405


def test_the_first_poll_is_empty_at_once(two: Service, http: requests.Session) -> None:
    token = negotiate(two, http)["connectionToken"]
    first = http.get(two.url, params={"id": token}, timeout=SECONDS)
    assert (first.status_code, first.content) == (200, b"")
    assert OLD_CACHES.items() <= first.headers.items()


def test_a_poll_that_waits_gets_what_comes(two: Service, http: requests.Session) -> None:
    token = start_polling(two, http)
    waiting = _Poll(two, token)
    sent = '{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}\x1e'
    assert http.post(two.url, params={"id": token}, data=sent.encode(), timeout=SECONDS).status_code == 200
    assert waiting.answer().status_code == 200
    assert waiting.answer().content == b'{"type":3,"invocationId":"1","result":3}\x1e'
    assert OLD_CACHES.items() <= waiting.answer().headers.items()


def test_a_poll_gets_all_that_waits_for_it_in_order(two: Service, http: requests.Session) -> None:
    token = start_polling(two, http)
    for number in range(5):
        sent = f'{{"type":1,"invocationId":"{number}","target":"Echo","arguments":[{number}]}}\x1e'
        assert http.post(two.url, params={"id": token}, data=sent.encode(), timeout=SECONDS).status_code == 200
    heard = b""
    while heard.count(b"\x1e") < 5:
        heard += http.get(two.url, params={"id": token}, timeout=SECONDS).content
    assert [f'"result":{number}'.encode() in piece for number, piece in enumerate(heard.split(b"\x1e")[:5])] == [True] * 5


@pytest.mark.races_the_clock  # timings of seconds
def test_a_poll_with_nothing_to_bring_ends_empty(brisk: Service, http: requests.Session) -> None:
    token = start_polling(brisk, http)
    answer = http.get(brisk.url, params={"id": token}, timeout=SECONDS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.elapsed.total_seconds() > 0.5


@pytest.mark.races_the_clock  # the older one has to be there first
def test_a_second_poll_ends_the_older_one_with_204(two: Service, http: requests.Session) -> None:
    token = start_polling(two, http)
    seen = len(two.proxy.requests)
    older = _Poll(two, token)
    _until_it_waits(two, seen)
    newer = _Poll(two, token)
    assert older.answer().status_code == 204
    assert OLD_CACHES.items() <= older.answer().headers.items()
    http.post(two.url, params={"id": token}, data=b'{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}\x1e', timeout=SECONDS)
    assert b'"result":3' in newer.answer().content


def test_a_poll_of_a_connection_that_was_closed_is_204(two: Service, http: requests.Session) -> None:
    token = start_polling(two, http)
    waiting = _Poll(two, token)
    http.post(two.url, params={"id": token}, data=b'{"type":1,"target":"Leave","arguments":["enough",false]}\x1e', timeout=SECONDS)
    assert b'"error":"enough"' in waiting.answer().content
    assert http.get(two.url, params={"id": token}, timeout=SECONDS).status_code in {204, 404}


@pytest.mark.races_the_clock  # the poll has to be there first
def test_delete_ends_a_long_polling_connection(two: Service, http: requests.Session) -> None:
    token = start_polling(two, http)
    seen = len(two.proxy.requests)
    waiting = _Poll(two, token)
    _until_it_waits(two, seen)
    deleted = http.delete(two.url, params={"id": token}, timeout=SECONDS)
    assert (deleted.status_code, deleted.headers["Content-Type"]) == (202, "text/plain")
    assert waiting.answer().status_code == 204
    until(lambda: http.post(two.url, params={"id": token}, data=b"{}", timeout=SECONDS).status_code == 404)


def test_delete_is_400_where_no_long_polling_is(two: Service, http: requests.Session) -> None:
    token = negotiate(two, http)["connectionToken"]
    with open_events(two, http, token) as stream:
        assert stream.status_code == 200
        assert http.delete(two.url, params={"id": token}, timeout=SECONDS).status_code == 400
    with socket_to(two, id=(other := negotiate(two, http)["connectionToken"])) as wire:
        wire.send(HANDSHAKE.decode())
        assert wire.recv(timeout=SECONDS) == "{}\x1e"
        assert http.delete(two.url, params={"id": other}, timeout=SECONDS).status_code == 400


def test_a_second_stream_of_events_is_409(two: Service, http: requests.Session) -> None:
    token = negotiate(two, http)["connectionToken"]
    with open_events(two, http, token) as first:
        assert first.status_code == 200
        with open_events(two, http, token) as second:
            assert second.status_code == 409


def test_a_second_websocket_is_refused(two: Service, http: requests.Session) -> None:
    token = negotiate(two, http)["connectionToken"]
    with socket_to(two, id=token) as first:
        first.send(HANDSHAKE.decode())
        assert first.recv(timeout=SECONDS) == "{}\x1e"
        assert refusal_of(two, id=token) in {403, 409}
        first.send('{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}\x1e')
        until(lambda: '"result":3' in str(first.recv(timeout=SECONDS)))


def test_a_connection_keeps_its_transport(two: Service, http: requests.Session) -> None:
    polled, streamed, socketed = (negotiate(two, http)["connectionToken"] for _ in range(3))
    assert http.get(two.url, params={"id": polled}, timeout=SECONDS).status_code == 200
    with open_events(two, http, polled) as stream:
        assert (stream.status_code, stream.text) == (400, "Cannot change transports mid-connection")
    with open_events(two, http, streamed) as stream:
        assert stream.status_code == 200
        assert http.get(two.url, params={"id": streamed}, timeout=SECONDS).status_code == 400
    with socket_to(two, id=socketed) as wire:
        wire.send(HANDSHAKE.decode())
        assert wire.recv(timeout=SECONDS) == "{}\x1e"
        assert http.get(two.url, params={"id": socketed}, timeout=SECONDS).status_code == 400


def test_a_post_to_a_websocket_connection_is_405(two: Service, http: requests.Session) -> None:
    token = negotiate(two, http)["connectionToken"]
    with socket_to(two, id=token) as wire:
        wire.send(HANDSHAKE.decode())
        assert wire.recv(timeout=SECONDS) == "{}\x1e"
        assert http.post(two.url, params={"id": token}, data=b"{}", timeout=SECONDS).status_code == 405


def test_a_stream_of_events_opens_before_there_is_anything_to_say(two: Service, http: requests.Session) -> None:
    with open_events(two, http, negotiate(two, http)["connectionToken"]) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert OLD_CACHES.items() <= stream.headers.items()
        assert stream.headers["Content-Encoding"] == "identity"
        assert next(stream.iter_lines()).startswith(b":")


def test_a_post_over_the_size_limit_is_refused(two: Service, http: requests.Session) -> None:
    token = start_polling(two, http)
    assert http.post(two.url, params={"id": token}, data=b"x" * (8 * 1024 * 1024 + 1), timeout=SECONDS).status_code == 413


def test_no_more_of_a_body_is_read_than_its_limit() -> None:
    given = []

    async def receive() -> dict[str, Any]:
        given.append(8192)
        return {"type": "http.request", "body": b"x" * 8192, "more_body": True}

    with pytest.raises(TooLarge):
        asyncio.run(body_of(receive, 100_000))
    assert sum(given) < 100_000 + 2 * 8192


@pytest.mark.parametrize("transport", ["ServerSentEvents", "LongPolling"])
def test_requests_of_one_connection_go_to_both_processes(two: Service, call: Callable[..., Client], transport: str) -> None:
    seen = len(two.proxy.requests)
    client = call(two, Wire(transport, "json"))
    assert [client.invoke("Echo", number) for number in range(20)] == list(range(20))
    ports = {line.rpartition(" ")[2] for line in two.proxy.requests[seen:] if line.startswith("POST /echo ")}
    assert ports == {str(server.port) for server in two.servers}


def _until_it_waits(service: Service, seen: int) -> None:
    """The poll was sent on to a server; how it reaches the connection's process from there cannot be seen from here."""
    until(lambda: len(service.proxy.requests) > seen)
    time.sleep(0.2)


class _Poll:
    """A poll that waits in a thread."""

    def __init__(self, service: Service, token: str) -> None:
        self._url, self._token = service.url, token
        self._answer: requests.Response | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def answer(self) -> requests.Response:
        self._thread.join(SECONDS)
        assert self._answer is not None
        return self._answer

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = "Bearer secret-ann"
            self._answer = session.get(self._url, params={"id": self._token}, timeout=SECONDS)
