"""A hub for tests, as daphne serves it: `daphne tests.signalr.echo_hub:application`.

ECHO_REDIS is the Redis that its processes share, ECHO_OPTIONS a JSON object of fields of Options. A caller's token is
`secret-NAME`; anything else is refused, and `secret-crash` makes authentication itself crash.
"""

import asyncio
import itertools
import json
import logging
import os
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import redis.asyncio
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from conduit.signalr import Hub, HubException, HubServer, Invocation, Options, Refused, Transport, hub_method
from conduit.web.backpressure import with_gate
from conduit.web.daphne_patches import patch_daphne
from tests.signalr.wires import DETAIL

REDIS_URL = os.environ["ECHO_REDIS"]
_BROADCAST = "echo-hub:broadcast"
_LEFT = "echo-hub:left:"

# Everything that the room would ever log is in the output that the tests read.
logging.getLogger("conduit").setLevel(logging.DEBUG)

# A client that answers a close later than this is reset. On a busy machine a second, autobahn's own limit, is short, and Python's
# `websockets` forgets all that it read in one piece with a close that it cannot answer any more: the hub's own Close among it.
WebSocketProtocol.closeHandshakeTimeout = 30


class EchoHub(Hub):
    """What an application does with a hub, each thing once."""

    async def on_connected(self) -> None:
        await _relay.ensure()
        self.begun = self.cancelled = 0
        self.connection.send(Invocation("Welcome", self.connection.id))
        if self.connection.user == "unwelcome":
            raise RuntimeError(DETAIL)

    async def on_disconnected(self, error: Exception | None) -> None:
        name = _LEFT + str(self.connection.user)
        async with _client() as store:
            await store.rpush(name, self.connection.id)
            await store.expire(name, 600)

    @hub_method("Echo")
    async def echo(self, value: Any) -> Any:
        return value

    @hub_method("Add")
    async def add(self, left: int, right: int) -> int:
        return left + right

    @hub_method("Describe")
    async def describe(
        self, name: str, size: float, is_new: bool, tags: list[str], facts: dict[str, Any], note: str | None = None
    ) -> dict[str, Any]:
        return {"name": name, "size": size, "isNew": is_new, "tags": tags, "facts": facts, "note": note}

    @hub_method("Nothing")
    async def nothing(self) -> None:
        return None

    @hub_method("WhoAmI")
    async def who_am_i(self) -> dict[str, Any]:
        return {"user": self.connection.user, "id": self.connection.id, "process": os.getpid()}

    @hub_method("Left")
    async def left(self, user: str) -> list[str]:
        """The connections of `user` that have ended, once for each time that the hub was told."""
        async with _client() as store:
            return [name.decode() for name in await store.lrange(_LEFT + user, 0, -1)]

    @hub_method("Unread")
    async def unread(self, user: str) -> int | None:
        """Bytes that wait in this process until a connection of that user is read again; None while it is read."""
        return next((one.unread for one in _hub.connections if one.user == user and one.is_stopped), None)

    @hub_method("Refuse")
    async def refuse(self, text: str) -> None:
        raise HubException(text)

    @hub_method("Crash")
    async def crash(self) -> None:
        raise RuntimeError(DETAIL)

    @hub_method("Slow")
    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @hub_method("EchoSlowly")
    async def echo_slowly(self, value: Any, seconds: float) -> Any:
        await asyncio.sleep(seconds)
        return value

    @hub_method("NextDay")
    async def next_day(self, moment: datetime) -> datetime:
        return moment + timedelta(days=1)

    @hub_method("Swallow")
    async def swallow(self, pieces: AsyncIterator[str], pause: float) -> tuple[int, int]:
        """How many pieces there were and how long they were together, with a pause after each."""
        count = size = 0
        async for piece in pieces:
            count, size = count + 1, size + len(piece)
            await asyncio.sleep(pause)
        return count, size

    @hub_method("Unsendable")
    async def unsendable(self) -> object:
        return object()

    @hub_method("Count")
    async def count(self, upto: int, pause: float = 0, delay: float = 0) -> AsyncIterator[int]:
        await asyncio.sleep(delay)
        for number in range(upto):
            yield number
            await asyncio.sleep(pause)

    @hub_method("CountForever")
    async def count_forever(self, pause: float) -> AsyncIterator[int]:
        number = 0
        self.begun += 1
        try:
            while True:
                yield number
                number += 1
                await asyncio.sleep(pause)
        finally:
            self.cancelled += 1

    @hub_method("Begun")
    async def how_many_begun(self) -> int:
        return self.begun

    @hub_method("Cancelled")
    async def how_many_cancelled(self) -> int:
        return self.cancelled

    @hub_method("CountThenRefuse")
    async def count_then_refuse(self, upto: int) -> AsyncIterator[int]:
        for number in range(upto):
            yield number
        raise HubException("no more numbers")

    @hub_method("CountThenCrash")
    async def count_then_crash(self, upto: int) -> AsyncIterator[int]:
        for number in range(upto):
            yield number
        raise RuntimeError(DETAIL)

    @hub_method("SendMe")
    async def send_me(self, value: Any) -> None:
        self.connection.send(Invocation("Sent", value))
        _sent.append(self.connection.user)

    @hub_method("HowOftenSent")
    async def how_often_sent(self, user: str) -> int:
        """How many calls of SendMe this process has answered to that user."""
        return _sent.count(user)

    @hub_method("Flood")
    async def flood(self, messages: int, size: int) -> int:
        """So many messages of so many characters to the caller, numbered from 0, as fast as it goes."""
        for number in range(messages):
            self.connection.send(Invocation("Flooded", number, "x" * size))
            if number % 50 == 0:
                await asyncio.sleep(0)
        return messages

    @hub_method("FillUp")
    async def fill_up(self, patience: float) -> int:
        """Send until the client takes no more for so many seconds: how many messages of 10,000 characters that took."""
        for number in itertools.count():
            self.connection.send(Invocation("Filled", "x" * 10_000))
            try:
                await asyncio.wait_for(self.connection.drained(), patience)
            except TimeoutError:
                _full.add(self.connection.user)
                return number
        raise AssertionError("counting ended")

    @hub_method("IsFull")
    async def is_full(self, user: str) -> bool:
        """Whether FillUp has ended for that user."""
        return user in _full

    @hub_method("Sum")
    async def sum(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    @hub_method("Progress")
    async def progress(self, steps: int) -> int:
        """So many messages at once of which only the newest matters."""
        for number in range(steps):
            self.connection.send(Invocation("Progressed", number + 1), replaces="progress")
        return steps

    @hub_method("Trickle")
    async def trickle(self, messages: int, pause: float) -> None:
        """Numbered messages to the caller, from 0, with a pause between them; answers at once."""
        _keep(asyncio.create_task(self._trickle(messages, pause)))

    async def _trickle(self, messages: int, pause: float) -> None:
        for number in range(messages):
            self.connection.send(Invocation("Trickled", number))
            await asyncio.sleep(pause)

    @hub_method("Broadcast")
    async def broadcast(self, value: Any) -> None:
        async with _client() as store:
            await store.publish(_BROADCAST, json.dumps(value))

    @hub_method("BroadcastHere")
    async def broadcast_here(self, value: Any) -> int:
        """To the connections of this process alone; how many those are."""
        return _to_everybody(value)

    @hub_method("Leave")
    async def leave(self, error: str | None, reconnect: bool) -> None:
        self.connection.close(error, reconnect=reconnect)

    async def hidden(self) -> str:
        """No hub method: nobody may call it."""
        return DETAIL


_full: set[str] = set()
_sent: list[str] = []


class _Relay:
    """Brings broadcasts of every process to the connections of this one."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

    async def ensure(self) -> None:
        """From here on nothing is missed, unless Redis is away."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        await self._tried.wait()

    async def _run(self) -> None:
        while True:
            try:
                async with _client() as store, store.pubsub() as channel:
                    await channel.subscribe(_BROADCAST)
                    async for message in channel.listen():
                        self._tried.set()  # the first says that it listens
                        if message["type"] == "message":
                            _to_everybody(json.loads(message["data"]))
            except (redis.RedisError, OSError):
                self._tried.set()
                await asyncio.sleep(0.05)


def _to_everybody(value: Any) -> int:
    message = Invocation("Broadcasted", value)
    connections = list(_hub.connections)
    for connection in connections:
        connection.send(message)
    return len(connections)


def _client() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(REDIS_URL)


_kept: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    _kept.add(task)
    task.add_done_callback(_kept.discard)


async def authenticate(scope: Mapping[str, Any]) -> str:
    token = _token(scope)
    if token == "secret-crash":
        raise RuntimeError(DETAIL)
    if not token.startswith("secret-"):
        raise Refused(401, b'{"error": "who are you?"}', [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")])
    return token.removeprefix("secret-")


def _token(scope: Mapping[str, Any]) -> str:
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    if header.startswith("Bearer "):
        return header.removeprefix("Bearer ")
    return parse_qs(scope["query_string"].decode("latin-1")).get("access_token", [""])[0]


def _drain_before_the_end() -> None:
    """SIGTERM stops Twisted's reactor; it waits for the Deferred before it cuts the connections."""
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(_hub.drain(), loop=_loop())))


def _loop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    return loop


def _options() -> Options:
    given = json.loads(os.environ.get("ECHO_OPTIONS", "{}"))
    if "transports" in given:
        given["transports"] = frozenset(map(Transport, given["transports"]))
    return Options(**given, cors=lambda origin: origin != "https://refused.example", owner_of=str)


_relay = _Relay()
_given = _options()
_hub = HubServer(EchoHub, path="/echo", authenticate=authenticate, redis_url=REDIS_URL, options=_given)


async def application(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    await _hub(with_gate(scope, send), receive, send)


patch_daphne(body_bytes=_given.post_bytes)
_drain_before_the_end()
