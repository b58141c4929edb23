"""How late a web process's event loop comes to what is due: everything that is answered there waits as long."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from conduit.metrics import own
from conduit.metrics.registry import Gauge, Metric

LOOK_SECONDS = 0.1
Application = Callable[[Any, Any, Any], Awaitable[None]]

# The worst of so many parts of time is remembered: of a minute.
PARTS, LOOKS_OF_PART = 12, 50

LAG = Gauge("conduit_event_loop_lag_seconds", "How late a web process's event loop came to its turn, the worst of the last minute.", own.BY)


class LoopLag:
    """Looks ten times a second, on the loop itself. What it found may be read from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parts = [0.0] * PARTS
        self._looks = 0
        self._due = 0.0

    @property
    def worst(self) -> float:
        return max(self._parts)

    def watch(self) -> None:
        """From now on."""
        self._due = self._loop.time()
        self._look()

    def _look(self) -> None:
        late = max(0.0, self._loop.time() - self._due)
        part = self._looks // LOOKS_OF_PART % PARTS
        self._parts[part] = late if self._looks % LOOKS_OF_PART == 0 else max(self._parts[part], late)
        self._looks += 1
        self._due = self._loop.time() + LOOK_SECONDS
        self._loop.call_at(self._due, self._look)

    def told(self) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        yield LAG, (), self.worst


def watched(application: Application) -> Application:
    """An ASGI application that has the loop that it runs on watched from its first request on."""
    lag: LoopLag | None = None

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        nonlocal lag
        if lag is None:
            lag = LoopLag(asyncio.get_running_loop())
            lag.watch()
            own.also(lag.told)
        await application(scope, receive, send)

    return serve
