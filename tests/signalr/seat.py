"""A connection without a server: its client's side is in the test's hands."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from conduit.signalr import Connection, Hub, HubException, Options, hub_method
from conduit.signalr.wires import Transport, Wire

HELLO = b'{"protocol":"json","version":1}\x1e'
NOTES = [{"type": 1, "invocationId": str(number), "target": "Note", "arguments": [str(number)]} for number in range(400)]
HELLO_AGAIN = b'{"protocol":"json","version":2}\x1e'


class SwitchedGate:
    """A reader that stops and goes on as the test says."""

    def __init__(self) -> None:
        self.is_open = self.is_reading = True
        self.aborted = False

    async def wait_open(self) -> None:
        while not self.is_open:
            await asyncio.sleep(0)

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class Desk(Hub):
    fails = False  # as its client is connected

    async def on_connected(self) -> None:
        self.log: list[str] = []
        if self.fails:
            raise HubException("it failed")

    async def on_disconnected(self, error: Exception | None) -> None:
        self.log.append(f"gone: {error}")

    @hub_method
    async def note(self, text: str) -> list[str]:
        await asyncio.sleep(0)
        self.log.append(text)
        return self.log

    @hub_method
    async def refuse(self) -> None:
        raise HubException("not today")

    @hub_method
    async def total(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    @hub_method
    async def forever(self) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            self.log.append("ended")


class Seat:
    """A connection and its client."""

    def __init__(self, *, stateful: bool = False, transport: Transport = Transport.WEB_SOCKETS, **options: Any) -> None:
        self.hub: Desk | None = None
        self.fails = False
        self.forgotten = 0
        self.gate = SwitchedGate()
        self.wire = Wire(self.gate)
        self.connection = Connection(
            "1",
            user=None,
            scope={},
            transport=transport,
            stateful=stateful,
            options=Options(**options),
            make_hub=self._make_hub,
            gone=self._gone,
        )
        self.connection.attach(self.wire)

    def _make_hub(self, connection: Connection) -> Hub:
        self.hub = Desk(connection)
        self.hub.fails = self.fails
        return self.hub

    async def _gone(self, connection: Connection) -> None:
        self.forgotten += 1

    def says(self, *messages: dict[str, Any]) -> None:
        self.connection.received(b"".join(json.dumps(message).encode() + b"\x1e" for message in messages))

    def hears(self) -> list[dict[str, Any]]:
        data = b"".join(iter(lambda: self.connection.take(1 << 20), b""))
        return [json.loads(one) for one in data.split(b"\x1e") if one]

    def shake_hands_again(self) -> None:
        """As Microsoft's client does it for stateful reconnect: it pings when it is ready to count."""
        self.connection.received(HELLO_AGAIN)
        assert self.hears() == [{}]
        self.says({"type": 6})

    async def ends(self) -> None:
        """The connection is over, and the hub was told."""
        self.connection.end()
        while not self.forgotten:
            await asyncio.sleep(0)

    async def hears_soon(self) -> list[dict[str, Any]]:
        while not (heard := self.hears()):
            await asyncio.sleep(0)
        return heard


def seated(case: Callable[..., Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def within_a_loop() -> None:
            async with asyncio.timeout(60):
                await case()

        asyncio.run(within_a_loop())

    run.__name__ = case.__name__
    return run
