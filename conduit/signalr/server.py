"""The ASGI application of one hub: which request is what, and the HTTP answers of each."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, ValuesView
from functools import partial
from typing import Any

from conduit.signalr import handshake
from conduit.signalr.connection import Connection
from conduit.signalr.http import (
    NEVER_STORED_OF_OLD,
    ClientLeft,
    Headers,
    Receive,
    Scope,
    Send,
    TooLarge,
    answer_preflight,
    body_of,
    cors_headers,
    header,
    query,
    refuse_upgrade,
    respond,
    respond_json,
    unless_left,
)
from conduit.signalr.hubs import Hub
from conduit.signalr.local_connections import LocalConnections, Refusal, new_token
from conduit.signalr.mailboxes import Record, Unavailable
from conduit.signalr.options import Options
from conduit.signalr.relay_client import Gone, RelayClient
from conduit.signalr.relayed_requests import item
from conduit.signalr.transports import next_poll, send_on_socket, serve_events, serve_socket
from conduit.signalr.wires import Transport, Wire
from conduit.streams.gate import gate_of
from conduit.streams.rates import Rates

logger = logging.getLogger(__name__)

_NEGOTIATE_VERSION = 1
# Clients send nothing with it.
_NEGOTIATION_BYTES = 256 * 1024
_FORMATS = {
    Transport.WEB_SOCKETS: ["Text", "Binary"],
    Transport.SERVER_SENT_EVENTS: ["Text"],
    Transport.LONG_POLLING: ["Text", "Binary"],
}
_PLAIN = (b"content-type", b"text/plain")
_SOON = (b"retry-after", b"1")


class Refused(Exception):
    """Raised by `authenticate`: the request is answered with this, an upgrade refused."""

    def __init__(self, status: int = 401, body: bytes = b"", headers: Headers | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or []


class _Answer(Exception):
    """Ends a request with this status."""

    def __init__(self, status: int, text: str = "", *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class HubServer:
    """Serves one hub at `path`: http and websocket scopes of this path and of `path`/negotiate.

    `hub` makes the hub of a connection. `authenticate` tells who makes a request, from its ASGI scope (the `Authorization` header,
    or `access_token` in the query, which is never logged here); it raises Refused. Begins by itself with the first request, in that
    request's event loop.
    """

    def __init__(
        self,
        hub: Callable[[Connection], Hub] | type[Hub],
        *,
        path: str,
        authenticate: Callable[[Any], Awaitable[Any]],
        redis_url: str,
        options: Options | None = None,
    ) -> None:
        self._path = path.rstrip("/")
        self._authenticate = authenticate
        self._options = options or Options()
        self._local = LocalConnections(hub, path=path, redis_url=redis_url, options=self._options)
        self._mail = self._local.mail
        self._rates = Rates(self._options.negotiations_per_second)
        self._under_way = 0  # requests and sockets
        self._is_stopped = False

    @property
    def connections(self) -> ValuesView[Connection]:
        """Those that live in this process; read only."""
        return self._local.connections.values()

    @property
    def waiting(self) -> int:
        """How many clients wait for something that only this process can say."""
        return self._local.waiting

    async def drain(self) -> None:
        """Before this process ends: `leave`, wait a little until all have gone, `stop`."""
        self.leave()
        try:
            async with asyncio.timeout(self._options.closing):
                while self.waiting or self._under_way:
                    await asyncio.sleep(self._options.tick)
        except TimeoutError:
            logger.info("%d connections and %d requests did not end in time", self.waiting, self._under_way)
        await self.stop()

    def leave(self) -> None:
        """This process is about to end: tell all clients to come again, those too that still come, on connections that they kept."""
        self._local.leave()

    async def stop(self) -> None:
        """Serve nothing any more."""
        self._is_stopped = True
        await self._local.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_stopped:
            self._local.start()
        serve = self._socket if scope["type"] == "websocket" else self._http
        self._under_way += 1
        try:
            await serve(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _known(self, scope: Scope) -> Any:
        """Who makes the request. Refused."""
        try:
            return await self._authenticate(scope)
        except Refused:
            raise
        except Exception as error:
            logger.exception("Authentication failed by an error of its own")
            raise Refused(500) from error

    # HTTP.

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            await answer_preflight(scope, send, self._options)
            return
        cors = cors_headers(scope, self._options)
        try:
            serve = self._route(scope)
            await serve(scope, receive, send, cors, await self._known(scope))
        except Refused as refused:
            await respond(send, refused.status, refused.body, [*refused.headers, *cors])
        except Refusal as refusal:
            await respond_json(send, 429, {"error": str(refusal)}, [_SOON, *cors])
        except _Answer as answer:
            await respond(send, answer.status, str(answer).encode(), [*answer.headers, *cors])
        except TooLarge:
            await respond(send, 413, b"The request is too large.", cors)
        except Gone:
            await respond(send, 404, _UNKNOWN.encode(), cors)
        except Unavailable:
            await respond(send, 503, b"Try again soon.", [_SOON, *cors])
        except ClientLeft:
            logger.debug("A client left before it had sent its request")

    def _route(self, scope: Scope) -> Callable[..., Awaitable[None]]:
        path = scope["path"].rstrip("/")
        if path == f"{self._path}/negotiate":
            methods: dict[str, Callable[..., Awaitable[None]]] = {"POST": self._negotiate}
        elif path == self._path:
            methods = {"GET": self._get, "POST": self._post, "DELETE": self._delete}
        else:
            raise _Answer(404)
        if scope["method"] not in methods:
            raise _Answer(405, "", (b"allow", ", ".join(methods).encode()))
        return methods[scope["method"]]

    async def _negotiate(self, scope: Scope, receive: Receive, send: Send, cors: Headers, user: Any) -> None:
        await body_of(receive, _NEGOTIATION_BYTES)
        asked = query(scope)
        try:
            version = _version_of(asked.get("negotiateVersion", "0"))
        except ValueError as error:
            await respond_json(send, 200, {"error": str(error)}, cors)
            return
        owner = self._options.owner_of(user)
        self._admit(owner)
        await self._local.expect_room(owner, user)
        offered = [{"transport": one.value, "transferFormats": formats} for one, formats in _FORMATS.items() if self._offers(one)]
        stateful = asked.get("useStatefulReconnect", "").lower() == "true" and self._offers(Transport.WEB_SOCKETS)
        connection_id = new_token()
        token = new_token() if version else connection_id
        await self._mail.offer(token, Record(connection_id, owner, stateful))
        answer = {"negotiateVersion": version, "connectionId": connection_id, "availableTransports": offered}
        secret = {"connectionToken": token} if version else {}
        await respond_json(send, 200, answer | secret | ({"useStatefulReconnect": True} if stateful else {}), cors)

    def _offers(self, transport: Transport) -> bool:
        return transport in self._options.transports

    def _admit(self, owner: str) -> None:
        if not self._rates.allows(owner):
            raise Refusal(f"Too many new connections: the limit is {self._options.negotiations_per_second:g} a second.")

    async def _get(self, scope: Scope, receive: Receive, send: Send, cors: Headers, user: Any) -> None:
        token = _token_of(scope)
        events = "text/event-stream" in header(scope, b"accept")
        wanted = Transport.SERVER_SENT_EVENTS if events else Transport.LONG_POLLING
        connection, record = await self._found(token, user, wanted)
        if connection is not None:
            if events:
                raise _already_active(connection.id)
            await self._poll(receive, send, cors, connection)
        elif record.is_ours:
            await self._begin(scope, receive, send, cors, user, wanted, token, record)
        elif events:
            raise _already_active(record.connection_id)
        else:
            polling = await unless_left(receive, self._relay_client(token, record).poll())
            if not polling.cancelled():
                status, body = polling.result()
                await _respond_to_poll(send, status, body, cors)

    async def _begin(
        self, scope: Scope, receive: Receive, send: Send, cors: Headers, user: Any, transport: Transport, token: str, record: Record
    ) -> None:
        """The first request of a transport: the connection lives here from now on."""
        connection = await self._open(scope, user, transport, token, record)
        if transport is Transport.SERVER_SENT_EVENTS:
            await serve_events(connection, Wire(gate_of(scope)), cors, receive, send)
        else:  # the client's handshake comes after this answer
            await _respond_to_poll(send, 200, b"", cors)

    async def _open(self, scope: Scope, user: Any, transport: Transport, token: str, record: Record) -> Connection:
        try:
            connection = await self._local.open(scope, user, transport, token=token, record=record)
        except Refusal:
            await self._mail.forget(token)
            raise
        await self._local.read(token)  # what came before the transport
        return connection

    async def _poll(self, receive: Receive, send: Send, cors: Headers, connection: Connection) -> None:
        wire = Wire()
        connection.attach(wire)
        polling = await unless_left(receive, next_poll(connection, wire, self._options.poll))
        if polling.cancelled():
            return
        status, body = polling.result()
        await _respond_to_poll(send, status, body, cors)

    async def _post(self, scope: Scope, receive: Receive, send: Send, cors: Headers, user: Any) -> None:
        token = _token_of(scope)
        body = await body_of(receive, self._options.post_bytes)
        owner = self._options.owner_of(user)
        connection = self._local.find(token, owner)
        if connection is not None and connection.transport is Transport.WEB_SOCKETS:
            _expect(405)
        local = self._local
        work = local.post_elsewhere(token, owner, body) if connection is None else local.post(token, connection, body)
        posting = await unless_left(receive, work)  # it is answered when it was read
        if not posting.cancelled():
            _expect(posting.result())
            await respond(send, 200, headers=cors)

    async def _delete(self, scope: Scope, receive: Receive, send: Send, cors: Headers, user: Any) -> None:
        token = _token_of(scope)
        owner = self._options.owner_of(user)
        connection = self._local.find(token, owner)
        if connection is None:
            _expect(await self._local.tell_elsewhere(token, owner, item("delete"), Transport.LONG_POLLING.value), deleting=True)
        elif connection.transport is not Transport.LONG_POLLING:
            _expect(400, deleting=True)
        else:
            connection.left()
        await respond(send, 202, headers=[_PLAIN, *cors])

    async def _found(self, token: str, user: Any, transport: Transport) -> tuple[Connection | None, Record]:
        """The connection if it lives here, and what is known of it; by this it is ours if it was nobody's."""
        owner = self._options.owner_of(user)
        connection = self._local.find(token, owner)
        record = self._local.record(token)
        if not self._offers(transport):
            raise _Answer(404, _not_offered(transport))
        if connection is not None and connection.is_ended:
            record = None
        elif connection is None:
            record = await self._mail.patiently(lambda: self._mail.claim(token, owner, transport.value))
        if record is None or not record.lives:
            raise _Answer(404, _UNKNOWN)
        if record.transport != transport.value:
            raise _Answer(400, "Cannot change transports mid-connection")
        return connection, record

    # WebSocket.

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            serve = await self._upgrade(scope)
        except Refused as refused:
            await refuse_upgrade(scope, send, refused.status, refused.body, refused.headers)
        except _Answer as answer:
            await refuse_upgrade(scope, send, answer.status, str(answer).encode())
        except Unavailable:
            await refuse_upgrade(scope, send, 503)
        except Refusal as refusal:
            await send({"type": "websocket.accept"})
            await self._refuse_handshake(str(refusal), receive, send)
        else:
            await send({"type": "websocket.accept"})
            await serve(receive, send)

    async def _upgrade(self, scope: Scope) -> Callable[[Receive, Send], Awaitable[None]]:
        """What serves the socket once it is accepted."""
        if scope["path"].rstrip("/") != self._path:
            raise _Answer(404)
        user = await self._known(scope)
        token = query(scope).get("id")
        if token is None:
            if not self._offers(Transport.WEB_SOCKETS):
                raise _Answer(404, _not_offered(Transport.WEB_SOCKETS))
            self._admit(self._options.owner_of(user))
            return partial(serve_socket, await self._local.open(scope, user, Transport.WEB_SOCKETS), Wire(gate_of(scope)))
        connection, record = await self._found(token, user, Transport.WEB_SOCKETS)
        if connection is not None:
            if not connection.is_resumable:
                raise _already_active(connection.id)
            return partial(serve_socket, connection, Wire(gate_of(scope)))
        if record.is_ours:
            return partial(serve_socket, await self._open(scope, user, Transport.WEB_SOCKETS, token, record), Wire(gate_of(scope)))
        if not record.stateful:
            raise _already_active(record.connection_id)
        return partial(self._relay_client(token, record).socket, gate_of(scope))

    async def _refuse_handshake(self, error: str, receive: Receive, send: Send) -> None:
        """An upgrade cannot say why it is refused: answer the client's handshake with it."""
        try:
            async with asyncio.timeout(self._options.handshake):
                event = await receive()
        except TimeoutError:
            event = {"type": "websocket.receive"}
        if event["type"] == "websocket.receive":
            await send_on_socket(send, handshake.answer(error), binary=False)
            await send({"type": "websocket.close", "code": 4429})

    # Both.

    def _relay_client(self, token: str, record: Record) -> RelayClient:
        return RelayClient(
            self._mail,
            self._local.relayed,
            token=token,
            record=record,
            wire=new_token(),
            process=self._local.process,
            options=self._options,
        )


def _token_of(scope: Scope) -> str:
    token = query(scope).get("id")
    if not token:
        raise _Answer(400, "Connection ID required")
    return token


def _version_of(asked: str) -> int:
    """ValueError, with what the client is told."""
    if not re.fullmatch(r"-?[0-9]{1,9}", asked):
        raise ValueError(f"The client requested an invalid protocol version '{asked}'")
    version = int(asked)
    if version < 0:
        raise ValueError(f"The client requested version '{version}', but the server does not support this version.")
    return min(version, _NEGOTIATE_VERSION)


def _already_active(connection_id: str) -> _Answer:
    return _Answer(409, f"Connection {connection_id} is already active.")


def _not_offered(transport: Transport) -> str:
    return f"{transport.value} transport not supported by this end point type"


_UNKNOWN = "No Connection with that ID"
_REASONS = {
    404: _UNKNOWN,
    405: "POST requests are not allowed for WebSocket connections.",
    503: "Too much of this connection is not read yet.",
}


def _expect(status: int, *, deleting: bool = False) -> None:
    """Raise what a refused item is answered with."""
    if status == 400 and deleting:
        raise _Answer(400, "Cannot terminate this connection using the DELETE endpoint.")
    if status != 200:
        raise _Answer(status, _REASONS[status], *([_SOON] if status == 503 else []))


async def _respond_to_poll(send: Send, status: int, body: bytes, cors: Headers) -> None:
    kind = [(b"content-type", b"application/octet-stream")] if body else []
    await respond(send, status, body, [*kind, *NEVER_STORED_OF_OLD, *cors])
