"""A sheet of a video's pictures that is asked for while it is made: its answer waits on the event loop, which costs no thread.

OpenAI's clients repeat a 409 twice, a few seconds apart, and then give up: less than a busy place may take. So the 409 that says that
the sheet is being made is kept back until that is over, and what was asked for is asked once more, which counts as one more read. The
wait takes a seat among the key's streams; where there is none, the 409 goes out at once.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog

from conduit.web.refusals import Application
from conduit.web.waiting import OPENAI, either, left, take_seat
from tasks.ids import parse_task_id
from tasks.realtime.feeds import feeds
from videos.dialects.openai.views import SPRITESHEET, SheetUnderWay
from videos.sheet_models import Spritesheet

log = structlog.get_logger(__name__)

# How long an answer waits; with the tries of its clients some minute and a half.
SECONDS_MAX = 30.0
# How soon it is looked whether the sheet is there, at first and at most: half a second is what a short video's takes.
LOOK_SECONDS, LOOK_SECONDS_MAX = 0.25, 2.0
_PARAMETERS_MAX = 20


class WaitingForSheets:
    """In front of `application`, which answers OpenAI's wire."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        task_id = _sheet_of(scope)
        if task_id is None:
            await self._application(scope, receive, send)
            return
        first = _KeptConflict(send)
        await self._application(scope, receive, first)
        if not first.kept:
            return
        if await _made(scope, task_id, receive):
            await self._application({**scope}, _after_no_body(receive), send)
        else:
            await first.give()


class _KeptConflict:
    """A `send` that keeps back the answer that a sheet is being made, and passes on every other."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.kept: list[dict[str, Any]] = []

    async def __call__(self, message: dict[str, Any]) -> None:
        if self.kept or (message["type"] == "http.response.start" and message["status"] == SheetUnderWay.status):
            self.kept.append(message)
        else:
            await self._send(message)

    async def give(self) -> None:
        for message in self.kept:
            await self._send(message)


def _sheet_of(scope: Mapping[str, Any]) -> UUID | None:
    """The video whose sheet is asked for; None where something else is."""
    root, _, rest = scope["path"].partition(f"{OPENAI}/")
    video_id, _, what = rest.partition("/")
    if root or what != "content" or scope["method"] != "GET":
        return None
    try:
        asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=_PARAMETERS_MAX)
    except ValueError:
        return None
    return parse_task_id(video_id) if asked.get("variant") == [SPRITESHEET] else None


async def _made(scope: Mapping[str, Any], task_id: UUID, receive: Any) -> bool:
    """Wait until nobody makes it any more; False where there was no waiting for it, or not to the end."""
    try:
        caller = await take_seat(scope)
    except Exception as error:  # noqa: BLE001 - whatever is in the way, the first answer is there
        log.info("not waited for a spritesheet", because=type(error).__name__)
        return False
    over = asyncio.Event()
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await either(_look_until_over(task_id, over), left(receive))
    except TimeoutError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever broke the wait, the first answer is there
        log.warning("not waited for a spritesheet to its end", because=type(error).__name__)
    finally:
        feeds().leave(caller)
    return over.is_set()


async def _look_until_over(task_id: UUID, over: asyncio.Event) -> None:
    pause = LOOK_SECONDS
    while not feeds().draining:
        await asyncio.sleep(pause)
        if not await feeds().in_thread(partial(_is_awaited, task_id)):
            over.set()
            return
        pause = min(2 * pause, LOOK_SECONDS_MAX)


def _is_awaited(task_id: UUID) -> bool:
    return Spritesheet.objects.awaited().filter(pk=task_id).exists()


def _after_no_body(receive: Any) -> Any:
    """For a request whose (empty) body was read already: it comes once more, and then whatever comes."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def again() -> dict[str, Any]:
        if messages:
            return messages.pop()
        message: dict[str, Any] = await receive()
        return message

    return again
