"""What a client said, until it is read: how much of it, how fast, and when not at all."""

import asyncio
from collections.abc import Callable, Iterator

from conduit.signalr.options import Options
from conduit.signalr.protocols import BrokenMessage, HubProtocol
from conduit.streams.rates import Rate


class TooMany(Exception):
    """More than a connection may say or have waiting."""


class Inbound:
    """Bytes that wait to be read. While reading is stopped they are neither parsed nor counted."""

    def __init__(self, options: Options, *, allows: Callable[[], bool]) -> None:
        """`allows`: counts one message more for the client's owner."""
        self.buffer = bytearray()
        self.has_flooded = False
        self._limit = options.message_bytes
        self._rate = Rate(options.messages_per_second, options.messages_burst)
        self._per_second = options.messages_per_second
        self._pings = Rate(options.pings_per_second, options.pings_burst)
        self._pings_per_second = options.pings_per_second
        self._allows = allows
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_stopped(self) -> bool:
        return not self._room.is_set()

    def stop(self) -> None:
        self._room.clear()

    def resume(self) -> None:
        self._room.set()

    def look_again(self) -> None:
        """Have those who wait for room see that something else has changed."""
        if self.is_stopped:
            self._room.set()
            self._room.clear()

    async def room(self) -> None:
        """Wait until reading goes on, or something else has changed."""
        await self._room.wait()

    def frames(self, protocol: HubProtocol) -> Iterator[bytes]:
        """The messages that are whole, until reading stops. TooMany when they come too fast. BrokenMessage."""
        if self.is_stopped:
            return
        for frame in protocol.cut(self.buffer, self._limit):
            self.count()
            yield frame
            if self.is_stopped:
                return

    def count(self) -> None:
        """Count a message, or what took as much work as one. TooMany."""
        if not self._rate.allows():
            self.has_flooded = True
            raise TooMany(f"More messages came than may: the limit is {self._per_second:g} a second.")
        if not self._allows() and not self._rate.is_little_used:  # a client that says little does not pay for others of the same owner
            self.has_flooded = True
            raise TooMany("More messages came than may from all of an owner's connections together.")

    def count_ping(self) -> None:
        """Count a message as a ping, too. TooMany."""
        if not self._pings.allows():
            self.has_flooded = True
            raise TooMany(f"More pings came than may: the limit is {self._pings_per_second:g} a second.")

    def cut_off(self) -> Exception | None:
        """What it means that the client has left now."""
        return BrokenMessage("Connection terminated while reading a message.") if self.buffer else None
