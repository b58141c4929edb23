"""Requests that reached another process than their connection's, with the mailboxes of both in a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack

from conduit.signalr import Connection, Hub, Invocation, Options
from conduit.signalr.mailboxes import Mailboxes
from conduit.signalr.relayed_requests import RelayedRequests, item
from conduit.signalr.wires import Transport
from tests.settings import VALKEY
from tests.signalr.seat import HELLO, seated


@asynccontextmanager
async def _mail_of(process: str) -> AsyncIterator[Mailboxes]:
    mail = Mailboxes(VALKEY.url, prefix="relayed:", process=process, lease=60, offered=60)
    try:
        yield mail
    finally:
        await mail.close()


def _polled() -> Connection:
    async def gone(connection: Connection) -> None:
        return None

    connection = Connection(
        "1", user=None, scope={}, transport=Transport.LONG_POLLING, stateful=False, options=Options(), make_hub=Hub, gone=gone
    )
    connection.received(HELLO)
    assert connection.take(1000) == b"{}\x1e"
    return connection


async def _until(ask: Callable[[], Awaitable[Any]]) -> Any:
    while not (answer := await ask()):
        await asyncio.sleep(0)
    return answer


@seated
async def test_a_poll_whose_client_leaves_at_once_is_answered_and_takes_nothing() -> None:
    async with _mail_of("owner") as owner, _mail_of("host") as host:
        relayed, connection = RelayedRequests(owner, Options()), _polled()
        for said in (item("poll", "left-at-once", "host"), item("left", "left-at-once")):
            relayed.handle(connection, said)
        connection.send(Invocation("Say", "hello"))
        (answer,) = await _until(lambda: host.answers("left-at-once"))
        assert msgpack.unpackb(answer) == [204, b""]
        assert b"hello" in connection.take(1000)


@seated
async def test_a_newer_poll_ends_the_older_one_and_gets_what_there_is() -> None:
    async with _mail_of("owner") as owner, _mail_of("host") as host:
        relayed, connection = RelayedRequests(owner, Options()), _polled()
        for said in (item("poll", "older", "host"), item("poll", "newer", "host")):
            relayed.handle(connection, said)
        connection.send(Invocation("Say", "hello"))
        (older,), (newer,) = [await _until(lambda wire=wire: host.answers(wire)) for wire in ("older", "newer")]  # type: ignore[misc]
        assert msgpack.unpackb(older) == [204, b""]
        status, body = msgpack.unpackb(newer)
        assert status == 200
        assert b"hello" in body


@seated
async def test_a_connection_that_is_forgotten_does_not_live_though_its_process_does() -> None:
    async with _mail_of("forgetful") as mail:
        await mail.heartbeat()
        assert await mail.is_alive("forgetful")
        assert not await mail.is_alive("forgetful", "no-such-token")


@seated
async def test_more_questions_at_once_than_there_are_connections_to_redis_take_turns() -> None:
    async with _mail_of("busy") as mail:
        await mail.heartbeat()
        assert await asyncio.gather(*(mail.is_alive("busy") for _ in range(500))) == [True] * 500
