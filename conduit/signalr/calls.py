"""The invocations of one connection: one after the other, with streams beside them."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from conduit.signalr.binding import Unfit, fitted
from conduit.signalr.hubs import Hub, HubException, Method, method_of
from conduit.signalr.messages import NOTHING, Call, Completion, StreamItem
from conduit.signalr.protocols import BrokenMessage

if TYPE_CHECKING:
    from conduit.signalr.connection import Connection

logger = logging.getLogger(__name__)

_END = object()


class TooMany(Exception):
    """More waits than a connection may have waiting."""


class _Failed(Exception):
    """The text is what the client is told."""


class Calls:
    """Runs what a client invokes, in order as a queue with one worker. A stream takes its turn to start and then runs beside."""

    def __init__(self, connection: "Connection", hub: Hub, *, bound: int, bound_bytes: int) -> None:
        self._connection = connection
        self._hub = hub
        self._bound = bound
        self._bound_bytes = bound_bytes
        self._bytes = 0  # of what waits, as it came
        self._waiting: deque[tuple[Call, int]] = deque()
        self._uploads: dict[str, asyncio.Queue[Any]] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._connected = False

    def accept(self, call: Call, size: int) -> None:
        """Queue an invocation of so many bytes. TooMany when the client does not wait for its answers. BrokenMessage."""
        if len(self._waiting) + len(self._streams) >= self._bound or len(self._uploads) + len(call.stream_ids) > self._bound:
            raise TooMany("More invocations wait than may.")
        if len(set(call.stream_ids) - self._uploads.keys()) < len(call.stream_ids):
            raise BrokenMessage("A stream's id is already in use.")
        self._weigh(size)
        for stream_id in call.stream_ids:
            self._uploads[stream_id] = asyncio.Queue()
        self._waiting.append((call, size))
        self.start()

    def _weigh(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._bound_bytes:
            raise TooMany("More of what was sent waits than may.")

    def start(self) -> None:
        """See that what waits is worked on; the first time, tell the hub that it is connected."""
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    def item(self, message: StreamItem, size: int) -> None:
        """One item of a stream that the client sends; ignored when nobody reads it any more. TooMany when the method is far behind."""
        if (upload := self._uploads.get(message.invocation_id)) is not None:
            self._weigh(size)
            upload.put_nowait((message.item, size))

    def completed(self, message: Completion, size: int) -> None:
        """The end of a client's stream. Other completions answer nothing that we asked, and are ignored. TooMany as for items."""
        if (upload := self._uploads.get(message.invocation_id)) is not None:
            self._weigh(size)
            upload.put_nowait((_END if message.error is None else HubException(message.error), size))

    def cancel(self, invocation_id: str) -> None:
        """End a stream; anything else that has this id, or nothing, runs on."""
        if stream := self._streams.get(invocation_id):
            stream.cancel()
        for call, size in [(call, size) for call, size in self._waiting if call.streams and call.invocation_id == invocation_id]:
            self._waiting.remove((call, size))
            self._bytes -= size
            self._close_uploads(call)
            self._complete(call)

    async def end(self, patience: float) -> None:
        """End the streams; give what the client invoked before it left so many seconds, cancel the rest, and wait until all is over."""
        for upload in self._uploads.values():
            upload.put_nowait((ConnectionError("The client has left."), 0))
        streams = list(self._streams.values())
        for stream in streams:
            stream.cancel()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=patience)
            self._waiting.clear()
            self._worker.cancel()
            streams.append(self._worker)
        await asyncio.gather(*streams, *self._streams.values(), return_exceptions=True)

    @property
    def was_connected(self) -> bool:
        return self._connected

    async def _work(self) -> None:
        if not self._connected:
            await self._connect()
        while self._waiting:
            call, size = self._waiting.popleft()
            self._bytes -= size
            await self._run(call)

    async def _connect(self) -> None:
        self._connected = True
        try:
            await self._hub.on_connected()
        except Exception as error:  # noqa: BLE001 - whatever it is ends this connection and no other
            self._waiting.clear()
            self._connection.fail(error)

    async def _run(self, call: Call) -> None:
        try:
            method, arguments = self._bound_call(call)
        except _Failed as error:
            self._close_uploads(call)
            self._complete(call, error=str(error))
            return
        if not method.streams:
            await self._invoke(call, method, arguments)
        elif call.invocation_id in self._streams:
            self._close_uploads(call)
            self._complete(call, error=f"Invocation ID '{call.invocation_id}' is already in use.")
        elif call.invocation_id is not None:  # a stream invocation has one, or it is broken
            stream = asyncio.create_task(self._stream(call.invocation_id, call, method, arguments))
            self._streams[call.invocation_id] = stream
            stream.add_done_callback(partial(self._stream_ended, call))

    def _bound_call(self, call: Call) -> tuple[Method, dict[str, Any]]:
        method = method_of(self._hub, call.target)
        if method is None:
            raise _Failed(f"Unknown hub method '{call.target}'")
        if method.streams and not call.streams:
            raise _Failed(f"The client attempted to invoke the streaming '{call.target}' method with a non-streaming invocation.")
        if call.streams and not method.streams:
            raise _Failed(f"The client attempted to invoke the non-streaming '{call.target}' method with a streaming invocation.")
        uploads: list[Callable[[Any], AsyncIterator[Any]]] = [partial(self._upload, stream_id) for stream_id in call.stream_ids]
        try:
            return method, method.bind(call.arguments, uploads)
        except (Unfit, RecursionError) as error:
            raise _Failed(f"Failed to invoke '{call.target}' due to an error on the server.") from error

    async def _invoke(self, call: Call, method: Method, arguments: dict[str, Any]) -> None:
        try:
            result = method.function(self._hub, **arguments)
            if inspect.isawaitable(result):
                result = await result
        except (Exception, asyncio.CancelledError) as error:
            if _is_cancelled():  # and not only something that the method waited for
                raise
            self._complete(call, error=_explained(call, error))
            return
        finally:
            self._close_uploads(call)
        self._complete(call, NOTHING if method.is_void else result)

    async def _stream(self, invocation_id: str, call: Call, method: Method, arguments: dict[str, Any]) -> None:
        """The items as fast as the client takes them."""
        items = method.function(self._hub, **arguments)
        try:
            async for item in items:
                self._connection.reply(StreamItem(invocation_id, item))
                await self._connection.made_room()
        except Exception as error:  # noqa: BLE001 - as for a method
            self._complete(call, error=_explained(call, error, "An error occurred on the server while streaming results."))
        else:
            self._complete(call)
        finally:
            self._close_uploads(call)
            await items.aclose()

    def _stream_ended(self, call: Call, stream: asyncio.Task[None]) -> None:
        del self._streams[str(call.invocation_id)]
        if stream.cancelled():  # it may not have begun
            self._close_uploads(call)
            self._complete(call)
        elif error := stream.exception():
            logger.error("A stream of hub method %r did not end well", call.target, exc_info=error)

    async def _upload(self, stream_id: str, wanted: Any) -> AsyncIterator[Any]:
        upload = self._uploads.get(stream_id)
        while upload is not None:
            item, size = await upload.get()
            self._bytes -= size
            if item is _END:
                return
            if isinstance(item, Exception):
                raise item
            yield fitted(item, wanted)

    def _close_uploads(self, call: Call) -> None:
        for stream_id in call.stream_ids:
            upload = self._uploads.pop(stream_id, None)
            while upload is not None and not upload.empty():
                self._bytes -= upload.get_nowait()[1]

    def _complete(self, call: Call, result: Any = NOTHING, error: str | None = None) -> None:
        if call.invocation_id is None:
            return
        try:
            self._connection.reply(Completion(call.invocation_id, result, error))
        except (TypeError, ValueError, OverflowError, RecursionError) as unencodable:
            self._connection.reply(Completion(call.invocation_id, error=_explained(call, unencodable)))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _explained(call: Call, error: BaseException, text: str = "") -> str:
    """What a client is told of a method that failed: no detail, unless the method said so deliberately."""
    text = text or f"An unexpected error occurred invoking '{call.target}' on the server."
    if isinstance(error, HubException):
        return f"{text} HubException: {error}"
    logger.error("Hub method %r failed", call.target, exc_info=error)
    return text
