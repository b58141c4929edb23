"""A process on its way out: whoever is there, or on the way there, goes on elsewhere."""

import asyncio
import json
import os
import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis
import requests
from websockets.exceptions import ConnectionClosed

from conduit.signalr import Hub, HubServer, Options, hub_method
from tests.settings import VALKEY
from tests.signalr.raw import HANDSHAKE, SECONDS, socket_to
from tests.signalr.servers import Service
from tests.signalr.wires import until
from tests.support.valkey import ValkeyForTests


def test_a_socket_at_a_process_that_leaves_is_cut_and_comes_back_elsewhere(
    make_service: Callable[..., Service], http: requests.Session
) -> None:
    home, leaving = make_service(processes=2).servers
    asked = {"negotiateVersion": 1, "useStatefulReconnect": "true"}
    token = http.post(home.url + "/negotiate", params=asked, timeout=SECONDS).json()["connectionToken"]
    with socket_to(home, id=token) as first:
        first.send('{"protocol":"json","version":2}\x1e')
        assert first.recv(timeout=SECONDS) == "{}\x1e"
        with socket_to(leaving, id=token) as second:
            assert '"type":9' in str(second.recv(timeout=SECONDS))

            os.kill(leaving.pid, signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                deque(iter(partial(second.recv, SECONDS), None))
            assert second.close_code == 4503
    with socket_to(home, id=token) as third:
        assert '"type":9' in str(third.recv(timeout=SECONDS))


CLOSE = b'{"type":7,"allowReconnect":true}\x1e'


class _Request:
    """A request of a hub that everybody may use, without a server around it."""

    def __init__(
        self, server: HubServer, method: str, query: str, *, path: str = "/hub", body: bytes = b"", accept: bytes = b"*/*"
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self._waiting = [{"type": "http.request", "body": body}]
        headers = [(b"accept", accept)]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
        self._served = asyncio.create_task(server(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._waiting:
            await asyncio.Event().wait()
        return self._waiting.pop()

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def answer(self) -> tuple[int, bytes]:
        await asyncio.wait_for(self._served, SECONDS)
        return self.sent[0]["status"], self.sent[1]["body"]

    @property
    def told(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def until(self, part: bytes) -> None:
        """Wait until that was answered."""
        async with asyncio.timeout(SECONDS):
            while part not in self.told:
                await asyncio.sleep(0.02)


async def _somebody(scope: Any) -> str:
    return ""


class _Mirror(Hub):
    @hub_method
    async def echo(self, value: Any) -> Any:
        return value


def _two(url: str) -> list[HubServer]:
    return [HubServer(_Mirror, path="/hub", authenticate=_somebody, redis_url=url, options=Options(closing=SECONDS)) for _ in range(2)]


async def _negotiated(server: HubServer) -> str:
    _, answered = await _Request(server, "POST", "negotiateVersion=1", path="/hub/negotiate").answer()
    return "id=" + json.loads(answered)["connectionToken"]


def test_who_still_comes_to_a_process_that_leaves_is_let_in_and_told_to_come_again(own_valkey: ValkeyForTests) -> None:
    async def case() -> None:
        leaving, staying = _two(own_valkey.url)
        query = await _negotiated(staying)
        early = await _negotiated(leaving)
        assert await _Request(leaving, "GET", early).answer() == (200, b"")  # in, and not yet shaken hands
        leaving.leave()

        for late in (early, query, await _negotiated(leaving)):
            if late != early:
                assert await _Request(leaving, "GET", late).answer() == (200, b"")
            assert await _Request(staying, "POST", late, body=HANDSHAKE).answer() == (200, b"")
            assert await _Request(leaving, "GET", late).answer() == (200, b"{}\x1e")
            assert await _Request(leaving, "GET", late).answer() == (200, b'{"type":7,"allowReconnect":true}\x1e')
        await leaving.drain()
        await staying.drain()

    asyncio.run(case())


@pytest.mark.races_the_clock  # the answer to the first ping has to be there within five seconds
@pytest.mark.parametrize("is_late", [False, True])
def test_a_client_of_an_event_stream_is_told_to_come_again_when_its_first_ping_was_answered(is_late: bool) -> None:
    """Microsoft's for JavaScript waits for that answer before it has started. Stopped in between it waits for ever, and tells nobody."""

    async def case() -> None:
        leaving, staying = _two(VALKEY.url)
        query = await _negotiated(staying)
        if is_late:
            leaving.leave()
        events = _Request(leaving, "GET", query, accept=b"text/event-stream")
        assert await _Request(staying, "POST", query, body=HANDSHAKE).answer() == (200, b"")
        await events.until(b"{}\x1e")
        assert await _Request(staying, "POST", query, body=b'{"type":6}\x1e').answer() == (200, b"")
        if not is_late:
            leaving.leave()

        await asyncio.sleep(0.3)  # as long as the answer may be on its way
        assert CLOSE not in events.told
        call = b'{"type":1,"target":"Echo","arguments":["hello"]}\x1e'  # it has started
        assert await _Request(staying, "POST", query, body=call).answer() == (200, b"")
        await events.until(CLOSE)
        await leaving.drain()
        await staying.drain()

    asyncio.run(case())


@pytest.mark.races_the_clock  # the poll has to be there first
def test_a_poll_at_a_process_that_leaves_ends_empty_and_goes_on_elsewhere() -> None:
    async def case() -> None:
        home, leaving = _two(VALKEY.url)
        query = await _negotiated(home)
        assert await _Request(home, "GET", query).answer() == (200, b"")
        assert await _Request(leaving, "POST", query, body=HANDSHAKE).answer() == (200, b"")
        assert await _Request(leaving, "GET", query).answer() == (200, b"{}\x1e")

        parked = _Request(leaving, "GET", query)
        await asyncio.sleep(0.1)
        await leaving.drain()

        assert await parked.answer() == (200, b"")
        call = {"type": 1, "target": "Echo", "arguments": ["hello"], "invocationId": "1"}
        assert await _Request(home, "POST", query, body=json.dumps(call).encode() + b"\x1e").answer() == (200, b"")
        status, body = await _Request(home, "GET", query).answer()
        assert (status, b"hello" in body) == (200, True)
        assert await _Request(home, "DELETE", query).answer() == (202, b"")
        await home.drain()

    asyncio.run(case())


def test_a_client_that_polls_and_has_heard_all_is_not_waited_for_and_its_seat_is_given_back() -> None:
    """It may be slow to say that it goes, or never do so: for as long as a connection may be without a wire nobody would end."""

    async def case() -> None:
        leaving, staying = _two(VALKEY.url)
        query = await _negotiated(leaving)
        assert await _Request(leaving, "GET", query).answer() == (200, b"")
        assert await _Request(leaving, "POST", query, body=HANDSHAKE).answer() == (200, b"")
        assert await _Request(leaving, "GET", query).answer() == (200, b"{}\x1e")
        leaving.leave()
        assert leaving.waiting == 1
        assert await _Request(staying, "GET", query).answer() == (200, CLOSE)
        async with asyncio.timeout(SECONDS):
            while leaving.waiting:
                await asyncio.sleep(0.02)
        assert len(leaving.connections) == 1
        await leaving.stop()
        assert len(leaving.connections) == 0
        assert (await _Request(staying, "DELETE", query).answer())[0] == 404
        await staying.drain()

    asyncio.run(case())


def test_a_hub_that_has_stopped_leaves_no_connection_to_redis_open(own_valkey: ValkeyForTests) -> None:
    async def case() -> None:
        server, _ = _two(own_valkey.url)
        query = await _negotiated(server)
        assert await _Request(server, "GET", query).answer() == (200, b"")
        await server.stop()

    with redis.Redis.from_url(own_valkey.url) as asking:
        asyncio.run(case())
        until(lambda: len(asking.client_list()) == 1)
