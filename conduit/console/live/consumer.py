"""The socket of the console's pages: `/admin/live/`, for people who may see tasks.

A refusal is told on the open socket, because browsers do not see how an upgrade was answered: it is closed with 4000 + the HTTP
status. A server that stops closes with 1012.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from django.conf import settings
from django.http import parse_cookie

from conduit.api.callers import client_known
from conduit.api.errors import ApiError, InvalidRequest, TooManyRequests, Unauthenticated, classify
from conduit.console.live.pump import Pump, Restarting, Socket, pump
from conduit.console.live.wanted import in_message
from conduit.console.live.watchers import RightsChanged
from conduit.streams.gate import Gate, gate_of
from conduit.streams.rates import Rate
from tasks.realtime.connections import address_in

COME_AGAIN = 1012
# What a page may send: what it wants, now and then.
MESSAGE_CHARACTERS_MAX = 8192
MESSAGES_PER_SECOND, MESSAGES_BURST = 5, 30
# How long a reader that takes nothing has for the close, in seconds.
CLOSING_SECONDS = 5.0


class LiveConsumer(AsyncConsumer):
    """One page's socket. It is served by the pump, without the channel layer: what it tells never depends on Redis."""

    channel_layer_alias = None

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        self._pump: Pump = pump()
        self._socket: Socket | None = None
        self._gate: Gate | None = None
        self._writing: asyncio.Task[None] | None = None
        self._messages = Rate(MESSAGES_PER_SECOND, MESSAGES_BURST)
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._socket:
                self._pump.leave(self._socket)
            if self._writing:
                self._writing.cancel()
                await asyncio.gather(self._writing, return_exceptions=True)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without a trip to a thread for each message, which Channels makes to give back connections that this one never has."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_connect(self, message: object) -> None:
        await self.send({"type": "websocket.accept"})
        try:
            watcher = await self._pump.admit(*login_in(self.scope))
            client_known(self.scope)
            socket = Socket(watcher)
            self._pump.enter(socket)
        except Exception as error:  # noqa: BLE001 - classify knows what each means, and logs what nobody foresaw
            await self._close(classify(error))
            return
        self._socket, self._gate = socket, gate_of(self.scope)
        self._writing = asyncio.create_task(self._write(socket))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if self._socket is None or self._socket.ending:
            return
        try:
            if not self._messages.allows():
                raise TooManyRequests(f"A page may say what it wants {MESSAGES_PER_SECOND} times in a second at most.")
            text = message.get("text") or ""
            if len(text) > MESSAGE_CHARACTERS_MAX:
                raise InvalidRequest(f"A message may have at most {MESSAGE_CHARACTERS_MAX} characters.")
            self._pump.want(self._socket, in_message(text))
        except ApiError as error:
            self._socket.end(error)

    async def websocket_disconnect(self, message: object) -> None:
        raise StopConsumer

    async def _write(self, socket: Socket) -> None:
        """Tell what is due, at the reader's pace, until the socket has to close."""
        while True:
            await socket.woken.wait()
            if self._gate and not self._gate.is_open:
                await self._wait_open(self._gate, socket)
            if socket.ending:
                await self._close(socket.ending)
                return
            text = self._pump.news.message(socket.take(), socket.newer_than)
            if text != "{}":
                await self.send({"type": "websocket.send", "text": text})
            await asyncio.sleep(0)  # others too are told something, between two messages

    async def _wait_open(self, gate: Gate, socket: Socket) -> None:
        """A reader that takes nothing holds no more than its place, and that only while it may have it."""
        while not gate.is_open:
            try:
                async with asyncio.timeout(CLOSING_SECONDS):
                    await gate.wait_open()
            except TimeoutError:
                if socket.ending:
                    gate.abort()
                    return

    async def _close(self, error: ApiError) -> None:
        code = COME_AGAIN if isinstance(error, Restarting | RightsChanged) else 4000 + error.status
        await self.send({"type": "websocket.close", "code": code, "reason": error.message})


def login_in(scope: Mapping[str, Any]) -> tuple[str, str]:
    """The session that the browser sends along, and from where.

    Raises:
        Unauthenticated: it sends none.
    """
    cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    session_key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")
    if not session_key:
        raise Unauthenticated("You are not logged in.")
    return session_key, address_in(scope)
