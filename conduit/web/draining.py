"""A deploy must not hurt: on SIGTERM daphne finishes what is under way and tells its streams to come back elsewhere.

daphne itself would cancel everything at once. Its reactor is stopped only when what was under way is over.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# What is under way may take this long after SIGTERM, in seconds. Whoever stops the process has more patience than that.
DRAIN_SECONDS = 8.0
LOOK_SECONDS = 0.05

_begun_at_sigterm = threading.Event()


def has_begun() -> bool:
    """Whether this process is on its way out: it serves what still comes, and wants no more."""
    return _begun_at_sigterm.is_set()


def drain_at_sigterm(under_way: Callable[[], int], *begin: Callable[[], Awaitable[None] | None]) -> None:
    """Under daphne, handle SIGTERM: stop listening, call `begin`, wait until nothing is under way, end."""
    if "daphne.server" not in sys.modules:
        return
    from twisted.internet import reactor

    def install() -> None:
        loop = asyncio.get_event_loop()
        tasks: set[asyncio.Task[None]] = set()

        def start(*_: object) -> None:
            _begun_at_sigterm.set()
            if not tasks:
                tasks.add(loop.create_task(_drain(reactor, under_way, begin)))

        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(start))

    reactor.callWhenRunning(install)


async def _drain(reactor: Any, under_way: Callable[[], int], begin: tuple[Callable[[], Awaitable[None] | None], ...]) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await _stop_listening(reactor)
            await asyncio.gather(*(_begun(one) for one in begin))
            while under_way() or reactor.getWriters():
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        log.warning("ended before everything was over", under_way=under_way())
    finally:
        reactor.stop()


async def _begun(begin: Callable[[], Awaitable[None] | None]) -> None:
    """What goes wrong in one must not keep the others from ending well."""
    try:
        if (waiting := begin()) is not None:
            await waiting
    except Exception:
        log.exception("draining failed")


async def _stop_listening(reactor: Any) -> None:
    from twisted.internet.tcp import Port

    for port in [reader for reader in reactor.getReaders() if isinstance(reader, Port)]:
        stopped = port.stopListening()
        if stopped is not None:
            await stopped.asFuture(asyncio.get_running_loop())
