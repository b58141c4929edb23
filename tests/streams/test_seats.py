"""Connections are counted once, over all processes, and what a process had that died is forgotten."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from redis import Redis

from conduit.streams.breaker import Breaker
from conduit.streams.seats import Full, LoopSeats, Seats, SharedSeats
from tests.support.valkey import ValkeyForTests

# Of a process that a test forgets: shorter than any other is patient.
BRIEF_LEASE = 1.5


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyForTests]:
    valkey = ValkeyForTests()
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
def process(server: ValkeyForTests) -> Iterator[Callable[..., SharedSeats]]:
    """Makes the seats of one process more; they share all that there are."""
    with Redis.from_url(server.url, socket_timeout=5) as client:
        client.flushall()
        yield lambda *, lease=60.0: SharedSeats(client, Breaker(), prefix="seats:", lease=lease)


def takes(seats: Seats, owner: str, *, of_owner: int | None = 2, in_all: int | None = 3) -> str:
    try:
        seats.acquire(owner, of_owner=of_owner, in_all=in_all)
    except Full as full:
        return str(full)
    return "taken"


def test_an_owner_and_all_together_have_so_many_over_all_processes(process):
    one, other = process(), process()

    assert [takes(one, "ann"), takes(other, "ann"), takes(one, "ann"), takes(other, "ann")] == [
        "taken", "taken", "Too many connections: the limit is 2.", "Too many connections: the limit is 2.",
    ]  # fmt: skip
    assert [takes(one, "bob"), takes(other, "cid")] == ["taken", "Too many connections."]
    assert (one.taken(), other.taken()) == (3, 3)

    one.release(Counter({"ann": 1}))
    assert takes(other, "ann") == "taken"


def test_a_look_takes_nothing(process):
    seats = process()

    for _ in range(3):
        seats.expect_one("ann", of_owner=1, in_all=1)

    assert takes(seats, "ann", of_owner=1) == "taken"
    with pytest.raises(Full):
        seats.expect_one("ann", of_owner=1, in_all=None)


def test_without_a_bound_there_is_always_one(process):
    seats = process()

    assert {takes(seats, "ann", of_owner=None, in_all=None) for _ in range(5)} == {"taken"}


def test_what_a_process_had_that_says_nothing_more_is_forgotten_and_what_lives_is_not(process):
    dead, alive = process(lease=BRIEF_LEASE), process(lease=BRIEF_LEASE)
    takes(dead, "ann"), takes(alive, "ann")

    end = time.monotonic() + 60
    while alive.taken() != 1 and time.monotonic() < end:
        alive.heartbeat()
        time.sleep(BRIEF_LEASE / 20)

    assert alive.taken() == 1
    assert [takes(alive, "ann"), takes(alive, "ann")] == ["taken", "Too many connections: the limit is 2."]


def test_a_redis_that_forgot_is_told_anew(process, server):
    one, other = process(), process()
    takes(one, "ann"), takes(one, "ann")
    with Redis.from_url(server.url) as client:
        client.flushall()

    one.heartbeat()

    assert takes(other, "ann") == "Too many connections: the limit is 2."


def test_while_redis_is_away_a_process_knows_of_its_own_alone(unused_tcp_port_url):
    seats = SharedSeats(Redis.from_url(unused_tcp_port_url), Breaker(), prefix="seats:")

    assert [takes(seats, "ann") for _ in range(3)] == ["taken", "taken", "Too many connections: the limit is 2."]
    assert seats.taken() is None
    seats.release(Counter({"ann": 1}))
    assert takes(seats, "ann") == "taken"


@pytest.fixture
def unused_tcp_port_url() -> str:
    return "redis://127.0.0.1:9/0"


def test_whoever_leaves_while_a_seat_is_taken_for_him_has_none(process):
    async def run() -> int | None:
        seats = LoopSeats(process())
        taking = asyncio.create_task(seats.acquire("ann", of_owner=1, in_all=None))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        while True:  # until the first is given back
            with suppress(Full):
                await seats.acquire("ann", of_owner=1, in_all=None)
                break
            await asyncio.sleep(0.01)
        return seats.blocking.taken()

    async def bounded() -> int | None:
        async with asyncio.timeout(60):
            return await run()

    assert asyncio.run(bounded()) == 1
