"""The two clients that Python programs use: pysignalr 1.3 and signalrcore 1.0."""

import asyncio
import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pysignalr.client import SignalRClient
from pysignalr.exceptions import AuthorizationError
from pysignalr.messages import CompletionMessage
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol
from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.types import HttpTransportType, HubProtocolEncoding

from tests.settings import VALKEY
from tests.signalr.client import Client
from tests.signalr.conftest import ROOMY
from tests.signalr.servers import Service
from tests.signalr.wires import Wire

SECONDS = 60
# pysignalr negotiates before it asks for a token: the header has to be given beside.
HEADERS = {"Authorization": "Bearer secret-ann"}

# Its binary long polling ends in a TypeError of its own (`super(LongPollingTextClient, self)` in another class).
CORE_WIRES = [
    (HttpTransportType.web_sockets, HubProtocolEncoding.text),
    (HttpTransportType.web_sockets, HubProtocolEncoding.binary),
    (HttpTransportType.server_sent_events, HubProtocolEncoding.text),
    (HttpTransportType.long_polling, HubProtocolEncoding.text),
]


@pytest.mark.parametrize("protocol", [JSONProtocol, MessagepackProtocol])
def test_pysignalr_connects_calls_streams_and_hears(two: Service, protocol: Callable[[], Any], call: Callable[..., Client]) -> None:
    async def talk() -> None:
        client = SignalRClient(two.url, protocol=protocol(), headers=dict(HEADERS))
        heard: asyncio.Queue[Any] = asyncio.Queue()
        for target in ("Welcome", "Sent", "Broadcasted"):
            client.on(target, _into(heard, target))
        running = asyncio.create_task(client.run())
        try:
            assert (await _next(heard))[0] == "Welcome"
            await client.send("SendMe", [{"n": 1}])
            assert await _next(heard) == ("Sent", [{"n": 1}])
            await client.send("Add", [1, 2], on_invocation=_into(heard, "answer"))
            name, completion = await _next(heard)
            assert (name, completion.result) == ("answer", 3)
            await client.stream("Count", [3], on_next=_into(heard, "item"), on_complete=_into(heard, "complete"))
            assert [await _next(heard) for _ in range(3)] == [("item", 0), ("item", 1), ("item", 2)]
            assert (await _next(heard))[0] == "complete"
            speaker = await asyncio.to_thread(call, two, Wire("LongPolling", "json"))
            await asyncio.to_thread(speaker.invoke, "Broadcast", "all")
            assert await _next(heard) == ("Broadcasted", ["all"])
        finally:
            await _hang_up(client, running)

    asyncio.run(talk())


def test_pysignalr_reads_a_failure_without_detail(two: Service) -> None:
    async def talk() -> None:
        client = SignalRClient(two.url, headers=dict(HEADERS))
        failed: asyncio.Queue[Any] = asyncio.Queue()
        client.on_error(_into(failed, "error"))
        running = asyncio.create_task(client.run())
        try:
            await client.send("Crash", [], on_invocation=_into(asyncio.Queue(), "answer"))
            completion: CompletionMessage = (await _next(failed))[1]
            assert completion.error == "An unexpected error occurred invoking 'Crash' on the server."
        finally:
            await _hang_up(client, running)

    asyncio.run(talk())


def test_pysignalr_with_a_bad_key_is_told_so(two: Service) -> None:
    client = SignalRClient(two.url, headers={"Authorization": "Bearer wrong"})
    with pytest.raises(AuthorizationError):
        asyncio.run(asyncio.wait_for(client.run(), SECONDS))


@pytest.fixture(scope="module")
def patient() -> Iterator[Service]:
    """Polls end soon and pings come often: signalrcore takes one message of what it reads, the next when it reads again."""
    service = Service(VALKEY.url, processes=2, **ROOMY | {"poll": 0.2, "keep_alive": 0.2})
    yield service
    service.close()


@pytest.fixture(params=CORE_WIRES, ids=lambda wire: f"{wire[0].value}-{wire[1].value}")
def core(request: pytest.FixtureRequest, patient: Service) -> Iterator[tuple[Any, "queue.Queue[Any]"]]:
    """A signalrcore connection and what it heard. Its polls carry no header: the key is in the address, as browsers have it."""
    transport, encoding = request.param
    heard: queue.Queue[Any] = queue.Queue()
    builder = HubConnectionBuilder()
    builder.keep_alive_interval = 1  # seconds; its stop() waits until one has gone by
    builder.with_url(patient.url + "?access_token=secret-ann", options={"transport": transport, "headers": dict(HEADERS)})
    hub = builder.with_hub_protocol(encoding).build()
    for target in ("Welcome", "Sent"):
        hub.on(target, lambda arguments, target=target: heard.put((target, arguments)))
    hub.on_error(lambda completion: heard.put(("error", completion.error)))
    hub.start()
    yield hub, heard
    hub.stop()


def test_signalrcore_connects_calls_streams_and_hears(core: tuple[Any, "queue.Queue[Any]"]) -> None:
    hub, heard = core
    assert heard.get(timeout=SECONDS)[0] == "Welcome"
    hub.send("SendMe", [{"n": 1}])
    assert heard.get(timeout=SECONDS) == ("Sent", [{"n": 1}])
    hub.send("Add", [1, 2], on_invocation=lambda completion: heard.put(("answer", completion.result)))
    assert heard.get(timeout=SECONDS) == ("answer", 3)
    # Late items: it sends the call before it knows what to do with the answers.
    hub.stream("Count", [3, 0, 0.5]).subscribe(
        {"next": lambda item: heard.put(item), "complete": lambda _: heard.put("complete"), "error": lambda _: heard.put("failed")}
    )
    assert [heard.get(timeout=SECONDS) for _ in range(4)] == [0, 1, 2, "complete"]


def test_signalrcore_reads_a_failure_without_detail(core: tuple[Any, "queue.Queue[Any]"]) -> None:
    hub, heard = core
    assert heard.get(timeout=SECONDS)[0] == "Welcome"
    hub.send("Crash", [])
    assert heard.get(timeout=SECONDS) == ("error", "An unexpected error occurred invoking 'Crash' on the server.")


async def _hang_up(client: SignalRClient, running: "asyncio.Task[None]") -> None:
    """Stop it. A client that is cancelled leaves its socket open, and says so as a warning."""
    socket = client._transport._ws
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    if socket is not None:
        await socket.close()


def _into(heard: "asyncio.Queue[Any]", name: str) -> Callable[..., Any]:
    async def take(what: Any = None) -> None:
        heard.put_nowait((name, what))

    return take


async def _next(heard: "asyncio.Queue[Any]") -> Any:
    return await asyncio.wait_for(heard.get(), SECONDS)
