"""The invocations of one connection: one after the other, with streams of either direction beside them."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Protocol

from conduit.signalr.binding import Unfit, fitted
from conduit.signalr.hubs import Hub, HubException, Method, method_of, told
from conduit.signalr.messages import NOTHING, Call, Completion, StreamItem
from conduit.signalr.options import Options
from conduit.signalr.protocols import BrokenMessage

logger = logging.getLogger(__name__)

_END = object()


class _Failed(Exception):
    """The text is what the client is told."""


class Side(Protocol):
    """The connection, as invocations use it."""

    def reply(self, message: StreamItem | Completion) -> None: ...

    async def made_room(self) -> None: ...

    def go_on(self) -> None: ...

    def fail(self, error: Exception, *, reconnect: bool = False) -> None: ...


class Calls:
    """Runs what a client invokes, in order as a queue with one worker.

    What streams, either way, takes its turn to start and then runs beside, as in ASP.NET Core: a method that waits for its client's
    stream keeps nobody else waiting. Nothing here refuses to wait: the caller that feeds it looks at `is_full`.
    """

    def __init__(self, connection: Side, hub: Hub, options: Options) -> None:
        self._connection = connection
        self._hub = hub
        self._options = options
        self._bytes = 0  # of what waits, as it came
        self._waiting: deque[tuple[Call, int]] = deque()
        self._next: Call | None = None  # has waited, and is about to begin
        self._cancelled: set[str] = set()  # streams that wait for their turn, only to end
        self._uploads: dict[str, asyncio.Queue[Any]] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._readers: set[asyncio.Task[None]] = set()  # methods that take a client's stream and answer once
        self._worker: asyncio.Task[None] | None = None
        self._connected = False

    @property
    def is_full(self) -> bool:
        """Whether nothing more should come until some of it was taken."""
        return len(self._waiting) >= self._options.pending_invocations or self._bytes > self._options.pending_bytes

    @property
    def has_room(self) -> bool:
        """Whether enough of it was taken to go on."""
        return len(self._waiting) <= self._options.pending_invocations // 2 and self._bytes <= self._options.pending_bytes // 2

    @property
    def is_idle(self) -> bool:
        return self._worker is not None and self._worker.done() and not self._readers

    def accept(self, call: Call, size: int) -> None:
        """Queue an invocation of so many bytes. BrokenMessage."""
        if len(set(call.stream_ids) - self._uploads.keys()) < len(call.stream_ids):
            raise BrokenMessage("A stream's id is already in use.")
        self._bytes += size
        for stream_id in call.stream_ids:
            self._uploads[stream_id] = asyncio.Queue()
        self._waiting.append((call, size))
        self.start()

    def _took(self, size: int) -> None:
        self._bytes -= size
        self._connection.go_on()

    def start(self) -> None:
        """See that what waits is worked on; the first time, tell the hub that it is connected."""
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
            self._worker.add_done_callback(lambda _: self._connection.go_on())

    def item(self, message: StreamItem, size: int) -> None:
        """One item of a stream that the client sends; ignored when nobody reads it any more."""
        if (upload := self._uploads.get(message.invocation_id)) is not None:
            self._bytes += size
            upload.put_nowait((message.item, size))

    def completed(self, message: Completion, size: int) -> None:
        """The end of a client's stream. Other completions answer nothing that we asked, and are ignored."""
        if (upload := self._uploads.get(message.invocation_id)) is not None:
            self._bytes += size
            upload.put_nowait((_END if message.error is None else HubException(message.error), size))

    def cancel(self, invocation_id: str) -> None:
        """End a stream; anything else that has this id, or nothing, runs on. One that waits begins all the same, as in ASP.NET Core:
        its method sees the end at the first thing that it waits for."""
        if stream := self._streams.get(invocation_id):
            asyncio.get_running_loop().call_soon(stream.cancel)  # it begins first, if it was only just made
        elif any(call.streams and call.invocation_id == invocation_id for call in self._not_begun()):
            self._cancelled.add(invocation_id)

    def _not_begun(self) -> Iterator[Call]:
        if self._next is not None:
            yield self._next
        yield from (call for call, _ in self._waiting)

    async def end(self, patience: float) -> None:
        """End the streams; give what the client invoked before it left so many seconds, cancel the rest, and wait until all is over."""
        for upload in self._uploads.values():
            upload.put_nowait((ConnectionError("The client has left."), 0))
        streams = list(self._streams.values())
        for stream in streams:
            stream.cancel()
        if self._worker is not None:
            await self._done_within(patience, self._worker)
            self._waiting.clear()
            streams.append(self._worker)
        streams += [*self._readers, *self._streams.values()]
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    async def _done_within(self, patience: float, worker: asyncio.Task[None]) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + patience
        while (running := {task for task in (worker, *self._readers) if not task.done()}) and (left := end - clock()) > 0:
            await asyncio.wait(running, timeout=left)

    @property
    def was_connected(self) -> bool:
        return self._connected

    async def _work(self) -> None:
        if not self._connected:
            await self._connect()
        while self._waiting:
            self._next, size = self._waiting.popleft()
            self._took(size)  # by which more may be read, such as this one's cancellation
            call, self._next = self._next, None
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
            self._cancelled.discard(call.invocation_id or "")
            self._close_uploads(call)
            self._complete(call, error=str(error))
            return
        if method.streams and call.invocation_id is not None:  # a stream invocation has one, or it is broken
            self._begin_stream(call.invocation_id, call, method, arguments)
        elif method.reads:
            reader = asyncio.create_task(self._invoke(call, method, arguments))
            self._readers.add(reader)
            reader.add_done_callback(self._reader_ended)
        else:
            await self._invoke(call, method, arguments)

    def _reader_ended(self, reader: asyncio.Task[None]) -> None:
        self._readers.discard(reader)
        self._connection.go_on()

    def _begin_stream(self, invocation_id: str, call: Call, method: Method, arguments: dict[str, Any]) -> None:
        stream = asyncio.create_task(self._stream(invocation_id, call, method, arguments))
        self._streams[invocation_id] = stream
        stream.add_done_callback(partial(self._stream_ended, call))
        if invocation_id in self._cancelled:
            self._cancelled.discard(invocation_id)
            self.cancel(invocation_id)

    def _expect_place(self, call: Call, method: Method) -> None:
        """_Failed when what streams has no place."""
        if method.streams and call.invocation_id in self._streams:
            raise _Failed(f"Invocation ID '{call.invocation_id}' is already in use.")
        if (method.streams or method.reads) and len(self._streams) + len(self._readers) >= self._options.streams:
            raise _Failed(f"'{call.target}' was not invoked: the limit is {self._options.streams} streams at once.")

    def _bound_call(self, call: Call) -> tuple[Method, dict[str, Any]]:
        method = method_of(self._hub, call.target)
        if method is None:
            raise _Failed(f"Failed to invoke '{call.target}' due to an error on the server. HubException: Method does not exist.")
        if method.streams and not call.streams:
            raise _Failed(f"The client attempted to invoke the streaming '{call.target}' method with a non-streaming invocation.")
        if call.streams and not method.streams:
            raise _Failed(f"The client attempted to invoke the non-streaming '{call.target}' method with a streaming invocation.")
        if len(call.stream_ids) != method.reads:
            counts = f"Client sent {len(call.stream_ids)} stream(s), Hub method expects {method.reads}."
            raise _Failed(f"An unexpected error occurred invoking '{call.target}' on the server. HubException: {counts}")
        self._expect_place(call, method)
        uploads: list[Callable[[Any], AsyncIterator[Any]]] = [partial(self._upload, stream_id) for stream_id in call.stream_ids]
        try:
            return method, method.bind(call.arguments, uploads)
        except (Unfit, RecursionError) as error:
            raise _Failed(self._told(f"Failed to invoke '{call.target}' due to an error on the server.", error)) from error

    async def _invoke(self, call: Call, method: Method, arguments: dict[str, Any]) -> None:
        try:
            result = method.function(self._hub, **arguments)
            if inspect.isawaitable(result):
                result = await result
        except (Exception, asyncio.CancelledError) as error:
            if _is_cancelled():  # and not only something that the method waited for
                raise
            self._complete(call, error=self._explained(call, error))
            return
        finally:
            self._close_uploads(call)
        self._complete(call, result)

    async def _stream(self, invocation_id: str, call: Call, method: Method, arguments: dict[str, Any]) -> None:
        """The items as fast as the client takes them."""
        items = method.function(self._hub, **arguments)
        try:
            async for item in items:
                self._connection.reply(StreamItem(invocation_id, item))
                await self._connection.made_room()
        except Exception as error:  # noqa: BLE001 - as for a method
            self._complete(call, error=self._explained(call, error, "An error occurred on the server while streaming results."))
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
            self._took(size)
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
        self._connection.go_on()

    def _complete(self, call: Call, result: Any = NOTHING, error: str | None = None) -> None:
        if call.invocation_id is None:
            return
        try:
            self._connection.reply(Completion(call.invocation_id, result, error))
        except (TypeError, ValueError, OverflowError, RecursionError) as unencodable:
            self._connection.reply(Completion(call.invocation_id, error=self._explained(call, unencodable)))

    def _explained(self, call: Call, error: BaseException, text: str = "") -> str:
        """What a client is told of a method that failed."""
        if not isinstance(error, HubException):
            logger.error("Hub method %r failed", call.target, exc_info=error)
        return self._told(text or f"An unexpected error occurred invoking '{call.target}' on the server.", error)

    def _told(self, text: str, error: BaseException) -> str:
        return told(text, error, in_detail=self._options.detailed_errors)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
