"""Requests arrive in time: headers and bodies have a deadline and a least rate, and a client that drips is answered 408.

Twisted gives up a connection on which nothing came for a minute. A byte now and then keeps it, and its descriptor, for ever.
"""

import asyncio
import time
from collections import deque
from typing import Any

from twisted.web.http import HTTPChannel

from conduit.web.bounds import Bounds
from conduit.web.daphne_patches import refuse_unread

LOOK_SECONDS = 1.0
# Nobody is slow before this, in seconds.
GRACE_SECONDS = 5.0
# That many are refused in one turn of the loop, a third of a millisecond each: of hundreds that came together all are late together.
AT_ONCE = 4
_TOO_SLOW = "The request came too slowly: its headers must be whole within {headers:g} seconds and its body within {body:g} more."


class _Arrival:
    """Of headers, or of a body: since when, and how much came."""

    __slots__ = ("is_body", "since", "size")

    def __init__(self, *, is_body: bool = False) -> None:
        self.since = time.monotonic()
        self.size = 0
        self.is_body = is_body


class Arrivals:
    """Of the connections of this process, those on which a request has begun to come and is not whole."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._arriving: dict[Any, _Arrival] = {}
        self._looking: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """From now on every connection of this process."""
        made, received, lost = HTTPChannel.connectionMade, HTTPChannel.dataReceived, HTTPChannel.connectionLost

        def connection_made(channel: Any) -> None:
            made(channel)
            self._begin(channel)

        def data_received(channel: Any, data: bytes) -> None:
            received(channel, data)
            self._came(channel, len(data))

        def connection_lost(channel: Any, reason: Any) -> None:
            self._arriving.pop(channel, None)
            lost(channel, reason)

        HTTPChannel.connectionMade = connection_made  # type: ignore[method-assign]
        HTTPChannel.dataReceived = data_received  # type: ignore[method-assign]
        HTTPChannel.connectionLost = connection_lost  # type: ignore[method-assign]

    def _begin(self, channel: Any, *, is_body: bool = False) -> _Arrival:
        arrival = self._arriving[channel] = _Arrival(is_body=is_body)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        return arrival

    def _came(self, channel: Any, size: int) -> None:
        arrival = self._arriving.get(channel)
        if channel._handlingRequest or not (channel.requests or channel._buffer):
            if arrival:
                del self._arriving[channel]
            return
        is_body = channel._transferDecoder is not None and not channel.line_mode
        if arrival is None or (is_body and not arrival.is_body):
            self._begin(channel, is_body=is_body)
        else:
            arrival.size += size

    def _look(self) -> None:
        self._refuse_in_turns(deque((channel, arrival) for channel, arrival in self._arriving.items() if self._is_late(arrival)))

    def _refuse_in_turns(self, late: deque[tuple[Any, _Arrival]]) -> None:
        self._looking = None  # so that a connection that comes after the last of them is looked at again
        for _ in range(min(AT_ONCE, len(late))):
            channel, arrival = late.popleft()
            if self._arriving.get(channel) is arrival:  # it was not whole, nor gone, meanwhile
                del self._arriving[channel]
                self._refuse(channel)
        if late:
            self._looking = asyncio.get_running_loop().call_later(0, self._refuse_in_turns, late)
        elif self._arriving:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _is_late(self, arrival: _Arrival) -> bool:
        age = time.monotonic() - arrival.since
        if age > (self._bounds.body_seconds if arrival.is_body else self._bounds.headers_seconds):
            return True
        # On a connection that was only opened, perhaps for later, nothing is slow.
        has_begun = arrival.is_body or arrival.size > 0
        return has_begun and age > GRACE_SECONDS and arrival.size < age * self._bounds.least_bytes_per_second

    def _refuse(self, channel: Any) -> None:
        if channel.requests or channel._buffer:
            reason = _TOO_SLOW.format(headers=self._bounds.headers_seconds, body=self._bounds.body_seconds)
            refuse_unread(channel, 408, reason)
        else:  # browsers open connections that they may need: one that was not is no error
            channel.loseConnection()
