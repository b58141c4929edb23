"""Connections whose clients have not shown yet who they are: some of each address, and never so many that nobody else has room.

One more closes the client's oldest on which nothing is done for it. Clients behind a proxy of ours come from its address: they
count as the address that it tells with their headers, and until then with all that came by proxies.
"""

import resource
from typing import Any

from daphne.ws_protocol import WebSocketProtocol
from twisted.web.http import HTTPChannel

from conduit.api.network import is_proxy, nearest_client, network_of
from conduit.web.bounds import Bounds
from conduit.web.daphne_patches import refuse_unread, sent

# Of the descriptors that this process may have: the rest is for connections with keys, PostgreSQL, Redis and files.
_SHARE, _LEAST, _MOST = 4, 16, 4096
_TOO_MANY = "Too many connections without a key were opened from this address: the rate limit is {limit} at once."


class Newcomer:
    """One connection, until it has shown a key or a login."""

    __slots__ = ("address", "channel", "is_known", "is_upgraded")

    def __init__(self, channel: Any, address: str) -> None:
        self.channel = channel
        self.address = address
        self.is_known = self.is_upgraded = False

    @property
    def is_busy(self) -> bool:
        """Whether something is done for it, and it waits for us."""
        return self.is_upgraded or bool(self.channel._handlingRequest)

    def close(self) -> None:
        self.channel.transport.abortConnection()


class Newcomers:
    """Those of this process, by transport, the oldest first. Belongs to the event loop, but for `Newcomer.is_known`."""

    def __init__(self, bounds: Bounds) -> None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most = max(_LEAST, min(_MOST, descriptors // _SHARE))
        self.most_of_address = max(1, min(bounds.connections_per_address, self.most // 2))
        self._all: dict[Any, Newcomer] = {}
        self._of_address: dict[str, dict[Any, Newcomer]] = {}

    def watch(self) -> None:
        """From now on every connection of this process."""
        made, lost, headers = HTTPChannel.connectionMade, HTTPChannel.connectionLost, HTTPChannel.allHeadersReceived
        upgraded, cut = WebSocketProtocol.connectionMade, WebSocketProtocol.connectionLost

        def connection_made(channel: Any) -> None:
            made(channel)
            peer = str(getattr(channel.transport.getPeer(), "host", ""))
            self._enter(Newcomer(channel, "" if is_proxy(peer) else network_of(peer)))

        def connection_lost(channel: Any, reason: Any) -> None:
            self._leave(channel.transport)
            lost(channel, reason)

        def all_headers_received(channel: Any) -> None:
            headers(channel)
            if (newcomer := self._all.get(channel.transport)) and not newcomer.is_known:
                self._look_again(newcomer)

        def socket_made(socket: Any) -> None:
            upgraded(socket)
            if newcomer := self._all.get(socket.transport):
                newcomer.is_upgraded = True

        def socket_lost(socket: Any, reason: Any) -> None:
            self._leave(socket.transport)
            cut(socket, reason)

        HTTPChannel.connectionMade = connection_made  # type: ignore[method-assign]
        HTTPChannel.connectionLost = connection_lost  # type: ignore[method-assign]
        HTTPChannel.allHeadersReceived = all_headers_received  # type: ignore[method-assign]
        WebSocketProtocol.connectionMade, WebSocketProtocol.connectionLost = socket_made, socket_lost

    def known(self, send: Any) -> None:
        """The client behind this ASGI `send` of daphne's has shown a key or a login. From any thread, and again is fine."""
        protocol = send.args[0]
        connection = protocol if isinstance(protocol, WebSocketProtocol) else protocol.channel
        if connection and (newcomer := self._all.get(connection.transport)):
            newcomer.is_known = True

    def _enter(self, newcomer: Newcomer) -> None:
        transport = newcomer.channel.transport
        self._all[transport] = newcomer
        of_address = self._of_address.setdefault(newcomer.address, {})
        of_address[transport] = newcomer
        if newcomer.address and len(of_address) > self.most_of_address:
            self._make_room(of_address, self.most_of_address, newcomer)
        elif len(self._all) > self.most:
            self._make_room(self._all, self.most, newcomer)

    def _make_room(self, crowd: dict[Any, Newcomer], most: int, last: Newcomer) -> None:
        """Close the oldest that is idle; the last one when all others are at work and it is not yet."""
        for transport in [transport for transport, newcomer in crowd.items() if newcomer.is_known]:
            self._leave(transport)
        if len(crowd) <= most:
            return
        idle = next((newcomer for newcomer in crowd.values() if not newcomer.is_busy and newcomer is not last), None)
        if idle:
            self._leave(idle.channel.transport)
            idle.close()
        elif not last.channel.requests:
            self._leave(last.channel.transport)
            refuse_unread(last.channel, 429, _TOO_MANY.format(limit=most))

    def _look_again(self, newcomer: Newcomer) -> None:
        """Behind a proxy its headers say whose it is; a proxy's connections bring many clients, one after the other."""
        channel = newcomer.channel
        peer = str(getattr(channel.transport.getPeer(), "host", ""))
        if not is_proxy(peer):
            return
        address = network_of(nearest_client(peer, sent(channel.requests[-1], b"x-forwarded-for")))
        if address != newcomer.address:
            self._leave(channel.transport)
            newcomer.address = address
            self._enter(newcomer)

    def _leave(self, transport: Any) -> None:
        if newcomer := self._all.pop(transport, None):
            of_address = self._of_address.get(newcomer.address, {})
            of_address.pop(transport, None)
            if not of_address:
                self._of_address.pop(newcomer.address, None)
