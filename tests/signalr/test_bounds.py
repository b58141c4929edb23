"""What is over a bound is refused with a clear error, and hurts nobody else."""

from collections.abc import Callable, Iterator

import pytest
import redis
import requests

from tests.settings import VALKEY
from tests.signalr.client import Client, ClientError
from tests.signalr.conftest import ROOMY
from tests.signalr.raw import HANDSHAKE, SECONDS, negotiate, socket_to
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire, until

PER_OWNER, IN_ALL = 3, 5
# In a second: so few that asking one after the other is too fast on any machine.
NEGOTIATIONS = 1
MESSAGES, BURST = 5, 40


# A database of its own: connections count over all processes that share one.
BOUNDED_REDIS = VALKEY.url.removesuffix("/0") + "/3"


@pytest.fixture(scope="module")
def bounded_processes() -> Iterator[Service]:
    service = Service(BOUNDED_REDIS, processes=2, **ROOMY | {"connections_per_owner": PER_OWNER, "connections": IN_ALL})
    yield service
    service.close()


@pytest.fixture
def bounded(bounded_processes: Service) -> Service:
    """Two processes with room for three connections of one owner, and five in all, once those of the test before have ended."""
    with redis.Redis.from_url(BOUNDED_REDIS) as store:
        [of_all] = list(store.scan_iter("*:seats:all")) or [b"none yet"]
        until(lambda: sum(int(count) for count in store.hvals(of_all)) == 0)
    return bounded_processes


@pytest.fixture(scope="module")
def slowed() -> Iterator[Service]:
    """Two processes that take so many messages of a connection, and so many negotiations of an owner, in a second."""
    few = {"messages_per_second": MESSAGES, "messages_burst": BURST, "negotiations_per_second": NEGOTIATIONS}
    service = Service(VALKEY.url, processes=2, **ROOMY | few)
    yield service
    service.close()


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.short)
def test_an_owner_has_only_so_many_connections_over_all_processes(
    bounded: Service, make_client: Callable[..., Client], call: Callable[..., Client], wire: Wire
) -> None:
    owner = f"secret-crowded-{wire.short}"
    clients = [call(bounded, wire, token=owner) for _ in range(PER_OWNER)]
    with pytest.raises(ClientError, match=f"the limit is {PER_OWNER}"):
        make_client(bounded, wire, token=owner).start()
    assert [client.invoke("Add", 1, 2) for client in clients] == [3] * PER_OWNER
    for client in clients:
        client.stop()
    until(lambda: _connects(make_client(bounded, wire, token=owner)))


def test_a_full_server_says_when_to_come_back(bounded: Service, call: Callable[..., Client], http: requests.Session) -> None:
    wire = Wire("WebSockets", "json")
    clients = [call(bounded, wire, token=f"secret-full-{number}") for number in range(IN_ALL)]
    refused = http.post(bounded.url + "/negotiate", timeout=SECONDS)
    assert refused.status_code in {429, 503}
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.text
    for client in clients:
        client.stop()
    until(lambda: http.post(bounded.url + "/negotiate", timeout=SECONDS).status_code == 200)


def test_a_websocket_that_skips_negotiation_meets_the_same_bounds(bounded: Service, make_client: Callable[..., Client]) -> None:
    skipping = {"skipNegotiation": True, "token": "secret-skipping"}
    wire = Wire("WebSockets", "json")
    clients = [make_client(bounded, wire, **skipping).start() for _ in range(PER_OWNER)]
    with pytest.raises(ClientError):
        make_client(bounded, wire, **skipping).start()
    for client in clients:
        client.stop()


@pytest.mark.races_the_clock  # it has to talk faster than the limit
def test_who_says_more_than_a_connection_may_is_closed_with_the_reason(slowed: Service, call: Callable[..., Client], wire: Wire) -> None:
    client = call(slowed, wire, token=f"secret-hurried-{wire.short}")
    answers = [client.begin_invoke("Add", 1, 2) for _ in range(2 * BURST)]
    assert client.closed() == (
        "Server returned an error on close: Connection closed with an error. "
        f"More messages came than may: the limit is {MESSAGES} a second."
    )
    refused = [answer for answer in answers if answer.exception(SECONDS)]
    assert len(answers) - len(refused) <= BURST


def test_pings_count_as_every_message_does(slowed: Service) -> None:
    with socket_to(slowed.servers[0], token="secret-pinging") as wire:
        wire.send(HANDSHAKE.decode())
        for _ in range(2 * BURST):
            wire.send('{"type":6}\x1e')
        heard = ""
        while '"type":7' not in heard:
            heard += str(wire.recv(timeout=SECONDS))
        assert f"More messages came than may: the limit is {MESSAGES} a second." in heard


def test_more_negotiations_than_an_owner_may_ask_for_are_429(slowed: Service, http: requests.Session) -> None:
    http.headers["Authorization"] = "Bearer secret-hasty"
    taken, refused = _until_refused(slowed, http)
    assert taken >= NEGOTIATIONS
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    until(lambda: http.post(slowed.url + "/negotiate", timeout=SECONDS).status_code == 200)


def test_one_owners_haste_is_not_anothers(slowed: Service, http: requests.Session) -> None:
    http.headers["Authorization"] = "Bearer secret-hastier"
    assert _until_refused(slowed, http)[1].status_code == 429
    http.headers["Authorization"] = "Bearer secret-patient"
    assert negotiate(slowed, http)["connectionToken"]


def test_more_streams_than_may_run_at_once_are_answered_with_an_error(two: Service, call: Callable[..., Client]) -> None:
    client = call(two, Wire("WebSockets", "json"))
    for number in range(101):
        client.begin("stream", stream=number, method="CountForever", args=[5])
    failed = client.next("failed")
    assert (failed["stream"], failed["error"]) == (100, "'CountForever' was not invoked: the limit is 100 streams at once.")
    assert client.invoke("Add", 1, 2) == 3


def test_a_message_that_never_ends_is_not_collected(two: Service) -> None:
    with socket_to(two) as wire:
        wire.send(HANDSHAKE.decode())
        for _ in range(2):
            wire.send("x" * 20_000)
        heard = ""
        while '"type":7' not in heard:
            heard += str(wire.recv(timeout=SECONDS))
        assert "A message is longer than 32768 bytes." in heard


def _until_refused(service: Service, http: requests.Session) -> tuple[int, requests.Response]:
    """How many negotiations were taken, and the answer to the next one."""
    for taken in range(1000):
        answer = http.post(service.url + "/negotiate", timeout=SECONDS)
        if answer.status_code != 200:
            return taken, answer
    raise AssertionError("nobody is refused")


def _connects(client: Client) -> bool:
    try:
        client.start()
    except ClientError:
        return False
    client.stop()
    return True


def test_a_message_longer_than_the_server_can_send_ends_its_connection(two: Service, call: Callable[..., Client]) -> None:
    client = call(two, Wire("WebSockets", "json"))
    client.send("Flood", 1, 1_100_000)  # daphne sends no frame above 1 MiB, and says so by an exception
    assert "4500" in str(client.closed())
