"""The load generator counts what it says."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.bench.load import Load, drive

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def _server(answer: bytes, *, keep: bool = True) -> Iterator[int]:
    """A server that gives every request the same answer, cut in the middle; the port is what you get."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for part in (answer[:20], answer[20:]):
                    writer.write(part)
                    await writer.drain()
                if not keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _driven(port: int, connections: int = 3) -> Load:
    load = Load()
    drive(load, port=port, request=lambda: b"GET / HTTP/1.1\r\n\r\n", connections=connections, seconds=0.2)
    return load


def test_answers_within_the_time_are_counted_with_their_latencies():
    with _server(OK) as port:
        load = _driven(port)
    assert load.per_second == len(load.latencies) / 0.2 > 0
    assert 0 < load.percentile(0.5) <= load.percentile(0.99) <= max(load.latencies)
    assert not load.errors


def test_anything_but_a_2xx_is_an_error_and_no_latency():
    with _server(OK.replace(b"200 OK", b"503 Go away")) as port:
        load = _driven(port)
    assert list(load.errors) == ["status 503"]
    assert load.latencies == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    # The end of the connection or its reset: whichever the client sees first.
    [(OK, "connection lost"), (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nok", "an answer without Content-Length")],
)
def test_a_connection_that_cannot_go_on_is_one_error(answer, reason):
    with _server(answer, keep=False) as port:
        load = _driven(port)
    assert {error.partition(" (")[0] for error in load.errors} == {reason}
    assert load.errors.total() == 3


def test_a_server_that_is_not_there_is_an_error_for_each_connection():
    with _server(OK) as port:
        pass
    assert _driven(port).errors == {"no connection": 3}
