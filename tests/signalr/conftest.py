"""What the cases share: one node process, echo hubs that live as long as the run, and callers that hang up by themselves."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from conduit.signalr import connection
from tests.settings import VALKEY
from tests.signalr.client import FOLDER, Client, Node
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire
from tests.support.valkey import ValkeyForTests

# Bounds that no case meets by accident.
ROOMY = {
    "connections": 5000,
    "connections_per_owner": 2000,
    "negotiations_per_second": 2000,
    "messages_per_second": 5000,
    "messages_per_second_of_owner": 50_000,
}
# Shorter than what ships, for the cases that wait for one to pass; long enough for whoever must not be late on a busy machine. What a
# client does within seconds here may be late all the same on one that stands still: what uses `brisk` races the clock.
KEEP_ALIVE, CLIENT_TIMEOUT, DISCONNECT = 1.0, 5.0, 4.0
BRISK = {**ROOMY, "keep_alive": KEEP_ALIVE, "client_timeout": CLIENT_TIMEOUT, "handshake": 3.0, "poll": 1.0, "disconnect": DISCONNECT}


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    assert (FOLDER / "node_modules").is_dir(), "Microsoft's client is not installed: run `make test` once"
    node = Node()
    yield node
    node.close()


@pytest.fixture(autouse=True)
def _what_is_said_at_once_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, where a test is both sides: after the two thousandths of a second that ship, which it may lose to another process, the rest
    of a piece is read in a later turn of the loop."""
    monkeypatch.setattr(connection, "_IN_A_ROW_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "node" in request.fixturenames:
        assert request.getfixturevalue("node").unhandled_since_last() == []


@pytest.fixture(scope="session")
def one() -> Iterator[Service]:
    """One process, at the real timings."""
    yield from _serving(1, ROOMY)


@pytest.fixture(scope="session")
def two() -> Iterator[Service]:
    """Two processes that take turns, at the real timings."""
    yield from _serving(2, ROOMY)


@pytest.fixture(scope="session")
def brisk() -> Iterator[Service]:
    """Two processes that take turns, at timings that a case has patience for."""
    yield from _serving(2, BRISK)


def _serving(processes: int, options: dict[str, Any]) -> Iterator[Service]:
    service = Service(VALKEY.url, processes=processes, **options)
    yield service
    service.close()


@pytest.fixture
def make_service() -> Iterator[Callable[..., Service]]:
    """Services of a case's own, to kill, stall and starve: `make_service(processes=2, keep_alive=0.5)`."""
    made: list[Service] = []

    def make(*, processes: int = 1, redis_url: str = VALKEY.url, **options: Any) -> Service:
        made.append(Service(redis_url, processes=processes, **{**ROOMY, **options}))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def make_client(node: Node) -> Iterator[Callable[..., Client]]:
    """Clients that are stopped when the case ends: `make_client(two, wire, reconnect=[0])`, not started yet."""
    made: list[Client] = []

    def make(service: Service, wire: Wire, **options: Any) -> Client:
        listen = ["Welcome", "Sent", "Broadcasted", "Flooded", "Progressed", "Trickled"]
        usual = {"url": service.url, "transport": wire.transport, "protocol": wire.protocol, "listen": listen}
        made.append(node.client(**usual | options))
        return made[-1]

    yield make
    node.forget(made)


@pytest.fixture
def call(make_client: Callable[..., Client]) -> Callable[..., Client]:
    """A client that is connected: `call(two, wire)`."""
    return lambda service, wire, **options: make_client(service, wire, **options).start()


@pytest.fixture(params=WIRES, ids=lambda wire: wire.short)
def wire(request: pytest.FixtureRequest) -> Wire:
    given: Wire = request.param
    return given


@pytest.fixture
def client(two: Service, wire: Wire, call: Callable[..., Client]) -> Client:
    """Somebody connected to one of two processes, over each transport and protocol in turn."""
    return call(two, wire)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """Plain requests, as no client of Microsoft's would send them."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer secret-ann"
        yield session


@pytest.fixture
def own_valkey() -> Iterator[ValkeyForTests]:
    """A Redis that a test may stop."""
    valkey = ValkeyForTests()
    valkey.start()
    yield valkey
    valkey.stop()
