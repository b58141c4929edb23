"""Commands to Redis on the event loop that leave together over one connection: for questions that every request asks.

A command costs a fifth of what it costs over redis.asyncio, which takes a connection out of a pool for each.
"""

import asyncio
import socket
from collections import deque
from functools import cache
from typing import Any, cast

import hiredis
import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection

from conduit.redis_client import KEEPALIVE
from conduit.streams.lasting import lasting

Word = str | bytes | int | float
_NOTHING = object()


class LoopRedis:
    """The Redis at that address, for one event loop. Its connection is made when it is needed, and anew after it broke."""

    def __init__(self, url: str, *, seconds: float) -> None:
        """`seconds`: what an answer may take; then the connection is given up."""
        self._url, self._seconds = url, seconds
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line] | None = None
        self._is_closed = False

    def ask(self, *command: Word) -> "asyncio.Future[Any]":
        """Send a command now; its answer is awaited whenever it is needed. One that is not awaited is no error.

        Raises (when awaited):
            redis.RedisError: Redis is away, is too slow, or refuses the command.
        """
        line = self._line
        answer = line.ask(command) if line and line.is_open else asyncio.ensure_future(self._ask_later(command))
        answer.add_done_callback(_looked_at)
        return answer

    async def close(self) -> None:
        """Give the connection back, for good: a caller that asks still is told that Redis is away."""
        self._is_closed = True
        if self._opening:
            await asyncio.wait([self._opening])
        if self._line:
            self._line.end(redis.ConnectionError("the process ends"))
            await asyncio.sleep(0)  # it is closed with the loop's next turn

    async def _ask_later(self, command: tuple[Word, ...]) -> Any:
        if self._is_closed:
            raise redis.ConnectionError("the process ends")
        if self._line and self._line.is_open:  # it was made meanwhile
            return await self._line.ask(command)
        if self._opening is None:
            self._opening = lasting(self._open())
            self._opening.add_done_callback(_looked_at)
        line = await asyncio.shield(self._opening)
        return await line.ask(command)

    async def _open(self) -> "_Line":
        try:
            async with asyncio.timeout(self._seconds):
                self._line = await _opened(self._url, self._seconds)
        except TimeoutError as error:
            raise redis.TimeoutError("Redis does not answer") from error
        except OSError as error:
            raise redis.ConnectionError(str(error)) from error
        finally:
            self._opening = None
        return self._line


@cache
def loop_redis(url: str, *, seconds: float) -> LoopRedis:
    """The one of this process's event loop."""
    return LoopRedis(url, seconds=seconds)


def _looked_at(answer: "asyncio.Future[Any]") -> None:
    """Nobody need be told again of an error that was of no interest."""
    if not answer.cancelled():
        answer.exception()


async def _opened(url: str, seconds: float) -> "_Line":
    # As redis.asyncio understands the address.
    told = redis.asyncio.ConnectionPool.from_url(url).make_connection()
    loop = asyncio.get_running_loop()
    if path := getattr(told, "path", ""):
        _, line = await loop.create_unix_connection(lambda: _Line(seconds), path)
    else:
        context = told.ssl_context.get() if isinstance(told, SSLConnection) else None
        _, line = await loop.create_connection(lambda: _Line(seconds), told.host, told.port, ssl=context)
    try:
        if told.password:
            await line.ask(("AUTH", *([told.username] if told.username else []), told.password))
        if told.db:
            await line.ask(("SELECT", told.db))
    except BaseException:
        line.end(redis.ConnectionError("it was given up"))
        raise
    return line


class _Line(asyncio.Protocol):
    """A connection. Commands of one turn of the loop leave at its end; answers come in the same order."""

    def __init__(self, seconds: float) -> None:
        self.is_open = False
        self._seconds = seconds
        self._reader = hiredis.Reader(protocolError=redis.InvalidResponse, replyError=_refusal, notEnoughData=_NOTHING)
        self._loop = asyncio.get_running_loop()
        self._asked: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._leaving: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        with_tcp = transport.get_extra_info("socket")
        if with_tcp is not None and with_tcp.family != socket.AF_UNIX:
            with_tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE["socket_keepalive_options"].items():
                with_tcp.setsockopt(socket.IPPROTO_TCP, option, value)

    def ask(self, command: tuple[Word, ...]) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = self._loop.create_future()
        if not self.is_open:
            answer.set_exception(redis.ConnectionError("the connection broke"))
            return answer
        if not self._leaving:
            self._loop.call_soon(self._send)
        self._leaving.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # as long as it may be
        self._asked.append((answer, self._loop.time()))
        return answer

    def end(self, error: redis.RedisError) -> None:
        """Close it; callers that still wait are told why."""
        self.is_open = False
        if self._watch:
            self._watch.cancel()
        self._transport.abort()
        while self._asked:
            answer, _ = self._asked.popleft()
            if not answer.done():
                answer.set_exception(error)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (found := self._reader.gets()) is not _NOTHING:
                self._take(found)
        except redis.RedisError as error:
            self.end(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.end(redis.ConnectionError(str(error or "Redis closed the connection")))

    def _send(self) -> None:
        if self.is_open:
            self._transport.write(b"".join(self._leaving))
            if self._watch is None:
                self._watch = self._loop.call_later(self._seconds, self._look)
        self._leaving.clear()

    def _take(self, found: Any) -> None:
        answer, _ = self._asked.popleft()
        if answer.done():
            return
        if isinstance(found, redis.RedisError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def _look(self) -> None:
        """Whether the oldest command has waited for too long."""
        self._watch = None
        if not self._asked:
            return
        left = self._asked[0][1] + self._seconds - self._loop.time()
        if left <= 0:
            self.end(redis.TimeoutError("Redis does not answer"))
        else:
            self._watch = self._loop.call_later(left, self._look)


def _refusal(words: str) -> redis.ResponseError:
    kind = redis.exceptions.NoScriptError if words.startswith("NOSCRIPT") else redis.ResponseError
    return kind(words)
