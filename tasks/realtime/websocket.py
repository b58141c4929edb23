"""Plain WebSocket: `/ws/tasks` and `/ws/tasks/{id}`, JSON in text frames.

A refusal is told on the open socket, because browsers do not see how an upgrade was answered: a frame with the API's
envelope under `"type": "error"`, then a close with 4000 + the HTTP status. A task's own stream ends with 1000, a server
that stops closes with 1012.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from conduit.api.errors import ApiError, InvalidRequest, NotFound, classify, envelope, response_for
from conduit.streams.gate import Gate, gate_of
from conduit.streams.rates import Rate
from tasks.ids import parse_task_id
from tasks.notices import as_json
from tasks.realtime.connections import Caller, position_in, query_of
from tasks.realtime.feeds import Draining, Feeds, feeds
from tasks.realtime.stream import Stream, TaskStream

DONE, RESTARTING = 1000, 1012
# What a client may send: pings and no more, so small ones and few.
MESSAGE_CHARACTERS_MAX = 1024
MESSAGES_PER_SECOND = 10

_PONG = '{"type":"pong"}'


class TooLong(ApiError):
    status, type, code = 413, "invalid_request_error", "message_too_large"


class UpgradeRequired(ApiError):
    status, type, code = 426, "invalid_request_error", "upgrade_required"

    def __init__(self) -> None:
        super().__init__(
            "This path is a WebSocket: connect to it with ws:// or wss://. `GET /v1/events` tells the same over plain HTTP.",
            headers={"Upgrade": "websocket"},
        )


class TooMany(ApiError):
    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"


@csrf_exempt  # a POST too is told what this path is
def not_upgraded(request: HttpRequest, task_id: str = "") -> HttpResponse:
    """What a plain HTTP request to a socket's path is answered."""
    return response_for(UpgradeRequired())


Opener = Callable[[Feeds, Caller], Stream[str]]


def socket(prepare: Callable[[Mapping[str, Any]], Opener]) -> Callable[..., Awaitable[None]]:
    """An ASGI application whose socket is told a stream. `prepare` makes of a scope what opens the stream, once its caller is known;
    it raises an ApiError where the address makes no sense."""

    async def serve(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        hub = feeds()
        try:
            opener = prepare(scope)
            caller = await hub.admit(scope)
            await hub.enter(caller)
        except Draining:
            await send({"type": "websocket.close", "code": RESTARTING})
            return
        except Exception as error:  # noqa: BLE001 - classify knows what each means, and logs what nobody foresaw
            await _refuse(send, classify(error))
            return
        try:
            await _Socket(opener(hub, caller), gate_of(scope), receive, send).run()
        finally:
            hub.leave(caller)

    return serve


def _of_tasks(scope: Mapping[str, Any]) -> Opener:
    return partial(TaskStream, form=as_json, task_id=_task_id(scope["path"]), after=position_in(query_of(scope).get("after")))


tasks_socket = socket(_of_tasks)  # of both paths


def _task_id(path: str) -> Any:
    """The task that the path names; None when it names none."""
    _, _, name = path.removeprefix("/ws/tasks").partition("/")
    if path == "/ws/tasks":
        return None
    if task_id := parse_task_id(name):
        return task_id
    raise NotFound("This key has no task of that id.", code="task_not_found", param="task_id")


def _frame(error: ApiError) -> str:
    return json.dumps({"type": "error", **envelope(error)})


async def _refuse(send: Any, error: ApiError) -> None:
    await send({"type": "websocket.send", "text": _frame(error)})
    await send({"type": "websocket.close", "code": 4000 + error.status, "reason": error.code})


class _Socket:
    """An open socket: one task reads, one writes at the reader's pace."""

    def __init__(self, stream: Stream[str], gate: Gate | None, receive: Any, send: Any) -> None:
        self._stream = stream
        self._receive = receive
        self._send = send
        self._gate = gate

    async def run(self) -> None:
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        telling = asyncio.create_task(self._tell())
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stream.close()
            for task in (reading, writing, telling):
                task.cancel()
            await asyncio.gather(reading, writing, telling, return_exceptions=True)

    async def _tell(self) -> None:
        try:
            await self._stream.run()
        except Exception as error:  # noqa: BLE001 - as above
            self._stream.end(classify(error))

    async def _write(self) -> None:
        while (text := await self._stream.next(self._gate)) is not None:
            await self._send({"type": "websocket.send", "text": text})
        await self._close()

    async def _close(self) -> None:
        error, code = self._stream.error, DONE
        if error:
            await self._send({"type": "websocket.send", "text": _frame(error)})
            code = 4000 + error.status
        elif self._stream.is_cut:
            code = RESTARTING
        await self._send({"type": "websocket.close", "code": code, "reason": error.code if error else ""})

    async def _read(self) -> None:
        """Answer pings, until the client is gone."""
        messages = Rate(MESSAGES_PER_SECOND)
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if message["type"] != "websocket.receive":
                continue
            try:
                self._stream.say(self._answer(message.get("text"), messages))
            except ApiError as error:
                self._stream.end(error)

    def _answer(self, text: str | None, messages: Rate) -> str:
        if text is not None and len(text) > MESSAGE_CHARACTERS_MAX:
            raise TooLong(f"A message on this socket may have at most {MESSAGE_CHARACTERS_MAX} characters.")
        if not messages.allows():
            raise TooMany(f"A client of this socket may send at most {MESSAGES_PER_SECOND} messages in a second: its rate limit.")
        if text is not None and _is_ping(text):
            return _PONG
        return _frame(InvalidRequest('This socket only tells. It takes `{"type": "ping"}` and nothing else; tasks are made over REST.'))


def _is_ping(text: str) -> bool:
    try:
        body = json.loads(text)
    except ValueError:
        return text.strip() == "ping"
    return isinstance(body, dict) and body.get("type") == "ping"
