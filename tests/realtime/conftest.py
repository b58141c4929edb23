"""A web process that all tests here share, streams on it, and keys."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.conftest import Consumer
from tests.signalr.measuring import Held, Measured
from tests.support.listening import EventSourceListener, HubListener, Listener, WebSocketListener
from tests.support.web import Web

# Connections of a key: enough for the readers of one test, and too few for another's that would keep their places.
PLACES = 6


@pytest.fixture(scope="session")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    with django_db_blocker.unblock():
        process = Web()
    process.start()
    yield process
    process.stop()


@contextmanager
def processes() -> Iterator[Callable[..., Web]]:
    """Starts web processes, and stops them afterwards."""
    started: list[Web] = []

    def start(**environment: str) -> Web:
        started.append(Web(**environment))
        return started[-1].start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def start_web(transactional_db: None) -> Iterator[Callable[..., Web]]:
    """Start a process for this test alone: `start_web(STREAMS_PER_KEY="2")`."""
    with processes() as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_web(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., Web]]:
    """Start a process for the tests of a module."""
    with processes() as start:

        def start_anywhere(**environment: str) -> Web:
            with django_db_blocker.unblock():
                return start(**environment)

        yield start_anywhere


@pytest.fixture(scope="module")
def measured(start_shared_web: Callable[..., Web]) -> tuple[Web, Callable[[], Held]]:
    """A process, and what tells what it holds."""
    measured = Measured()
    web = start_shared_web(STREAMS_PER_KEY=str(PLACES), STREAM_WATCH_SECONDS="0.3", **measured.environment)
    return web, lambda: measured.held(web.pid)


@pytest.fixture
def closing() -> Iterator[Callable[..., Any]]:
    """Closes sockets after the test."""
    with ExitStack() as open_until_the_end:
        yield open_until_the_end.enter_context


@pytest.fixture
def consumer(transactional_db: None, make_consumer: Any) -> Consumer:
    return make_consumer("streaming")


@pytest.fixture
def listen(web: Web, consumer: Consumer) -> Iterator[Any]:
    """Open streams that are closed after the test: `listen.socket()`, `listen.events()`, `listen.hub()`."""
    opening = Opening(web, consumer.secret)
    yield opening
    opening.close()


class Opening:
    def __init__(self, web: Web, secret: str) -> None:
        self.web = web
        self.secret = secret
        self._opened: list[Listener] = []

    def socket(self, **options: Any) -> WebSocketListener:
        return self._open(WebSocketListener(self._url(options), options.pop("secret", self.secret), **options))

    def events(self, **options: Any) -> EventSourceListener:
        return self._open(EventSourceListener(self._url(options), options.pop("secret", self.secret), **options))

    def hub(self, **options: Any) -> HubListener:
        return self._open(HubListener(self._url(options), options.pop("secret", self.secret), **options))

    def _url(self, options: dict[str, Any]) -> str:
        return options.pop("web", self.web).url

    def _open(self, listener: Any) -> Any:
        self._opened.append(listener)
        return listener.open()

    def close(self) -> None:
        for listener in self._opened:
            listener.close()
