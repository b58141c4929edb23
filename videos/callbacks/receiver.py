"""`/callbacks/minimax/TOKEN`: an ASGI application, on the event loop.

The challenge is answered there and then, from the URL's signature alone: MiniMax waits for it three seconds while the create is open,
and a database that is slow must not cost the order. What is pushed is written down in threads of its own, and then answered.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog
from django.db import close_old_connections, connection
from django.db.utils import Error as DatabaseFailure

from conduit.api.access_log import log_request
from conduit.api.errors import METHOD_NOT_ALLOWED, ApiError, BodyTooLarge, InvalidRequest, MethodNotAllowed, NotFound, Overloaded, envelope
from videos.callbacks.addresses import ROOT, Ordered, ordered
from videos.callbacks.noting import make_due, note

log = structlog.get_logger(__name__)

BODY_BYTES_MAX = 64 * 1024
CHALLENGE_CHARACTERS_MAX = 4_000
# Callbacks that wait for a thread at most, in one process; more are told to come again.
WAITING_MAX = 500
_THREADS = 4
# A step that is at work is waited for so often, ever longer (seconds): about ten in all. Then jobs are asked for in their turn.
_AGAIN_AFTER = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 4.0)


class Receiver:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="callbacks")
        self._waiting = 0
        self._later: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        began = time.perf_counter()
        more: Mapping[str, str] = {}
        try:
            status, content = 200, await self._answer(scope, receive)
        except ApiError as error:
            status, content, more = error.status, envelope(error), error.headers
        body = json.dumps(content).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        headers += [(name.lower().encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        # Without what is unguessable of the path.
        client = (scope.get("client") or ("",))[0]
        log_request(method=scope["method"], path=f"{ROOT}/…", status=status, began=began, client=client)

    async def _answer(self, scope: Mapping[str, Any], receive: Any) -> Mapping[str, Any]:
        of = ordered(scope["path"].removeprefix(f"{ROOT}/"))
        if of is None:
            raise NotFound("There is nothing at this path.")
        if scope["method"] != "POST":
            raise MethodNotAllowed(METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        said = _object(await _body(receive))
        challenge = said.get("challenge")
        if challenge is not None:
            if not isinstance(challenge, str) or len(challenge) > CHALLENGE_CHARACTERS_MAX:
                raise InvalidRequest("`challenge` must be a text.", param="challenge")
            return {"challenge": challenge}
        await self._note(of, said)
        return {}

    async def _note(self, of: Ordered, said: Mapping[str, Any]) -> None:
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Too many callbacks at once.")
        self._waiting += 1
        try:
            is_done = await self._in_thread(partial(note, of, said))
        except DatabaseFailure as error:
            log.warning("callback not written down", error=type(error).__name__)
            raise Overloaded("The callback could not be written down.") from None
        finally:
            self._waiting -= 1
        if not is_done and len(self._later) < WAITING_MAX:
            self._later.add(task := asyncio.ensure_future(self._again(of)))
            task.add_done_callback(self._later.discard)

    async def _again(self, of: Ordered) -> None:
        for seconds in _AGAIN_AFTER:
            await asyncio.sleep(seconds)
            try:
                if await self._in_thread(partial(make_due, of)):
                    return
            except DatabaseFailure:
                continue

    async def _in_thread(self, work: Callable[[], bool]) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_connection, work)


def _with_connection(work: Callable[[], bool]) -> bool:
    close_old_connections()
    try:
        return work()
    finally:
        connection.close()  # back to the pool


async def _body(receive: Any) -> bytes:
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidRequest("The request ended before its body.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > BODY_BYTES_MAX:
            raise BodyTooLarge(f"The body has more than {BODY_BYTES_MAX} bytes.")
        if not message.get("more_body"):
            return b"".join(pieces)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return said
