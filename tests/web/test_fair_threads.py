"""Threads are shared out: nobody has more than half of them, however many requests, secrets or keys it invents."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from conduit.api.errors import Overloaded, TooManyRequests
from conduit.web.fair_threads import Caller, FairThreads, Tell

THREADS = 4
HALF = 2
ANN, BEN, CAT = (Caller(f"192.0.2.{number}") for number in (1, 2, 3))


class Works:
    """Work that waits in its thread until it is let go, and says when it began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._go = threading.Event()
        self._changed = threading.Condition()

    def held(self, name: str, *, owner: str = "") -> Callable[[Tell], str]:
        def work(known_as: Tell) -> str:
            if owner:
                known_as(owner)
            with self._changed:
                self.begun.append(name)
                self._changed.notify_all()
            assert self._go.wait(timeout=30)
            return name

        return work

    def let_go(self) -> None:
        self._go.set()

    async def until(self, count: int) -> None:
        """Wait until so many have begun."""
        await asyncio.to_thread(self._wait, count)

    def _wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, timeout=30), self.begun


@pytest.fixture
def works() -> Iterator[Works]:
    works = Works()
    yield works
    works.let_go()


def at_once(name: str) -> Callable[[Tell], str]:
    return lambda known_as: name


def begin(threads: FairThreads, caller: Caller, work: Callable[[Tell], str]) -> "asyncio.Task[str]":
    return asyncio.create_task(threads.run(caller, work))


async def settled(*waiting: Awaitable[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), timeout=30)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_one_caller_has_half_of_the_threads_and_others_are_answered_meanwhile(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS)
        anns = [begin(threads, ANN, works.held(f"ann {number}")) for number in range(10)]
        await works.until(HALF)

        assert await settled(begin(threads, BEN, at_once("ben")), begin(threads, CAT, at_once("cat"))) == ["ben", "cat"]
        assert works.begun == ["ann 0", "ann 1"]
        works.let_go()
        assert await settled(*anns) == [f"ann {number}" for number in range(10)]

    run(scenario())


def test_a_callers_requests_begin_in_the_order_in_which_they_came():
    async def scenario() -> None:
        begun: list[int] = []
        threads = FairThreads(2)  # half is one: no two at once
        await settled(*(begin(threads, ANN, lambda known_as, number=number: begun.append(number)) for number in range(20)))
        assert begun == list(range(20))

    run(scenario())


def test_invented_secrets_count_as_the_address_that_they_come_from(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS)
        strangers = [begin(threads, Caller("192.0.2.9", f"invented {number}"), works.held("stranger")) for number in range(10)]
        await works.until(HALF)

        assert await settled(begin(threads, BEN, at_once("ben"))) == ["ben"]
        assert len(works.begun) == HALF
        works.let_go()
        await settled(*strangers)

    run(scenario())


def test_the_first_request_of_a_secret_goes_alone_until_it_is_known_whose_it_is(works):
    async def scenario() -> None:
        threads = FairThreads(8)
        unknown = [begin(threads, Caller("192.0.2.9", "secret"), works.held("unknown")) for _ in range(3)]
        await works.until(1)
        other = begin(threads, Caller("192.0.2.9", "another"), works.held("another"))
        await works.until(2)
        assert works.begun == ["unknown", "another"]
        works.let_go()
        await settled(other, *unknown)

    run(scenario())


def test_a_known_key_counts_as_itself_whichever_secret_and_address_it_comes_with(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS)
        for number in range(5):
            known = begin(threads, Caller("192.0.2.9", f"secret {number}"), lambda known_as: known_as("key 1") or "known")
            assert await settled(known) == ["known"]
        from_anywhere = [begin(threads, Caller(f"192.0.2.{number}", f"secret {number % 5}"), works.held("key 1")) for number in range(10)]
        await works.until(HALF)
        assert await settled(begin(threads, Caller("192.0.2.0"), at_once("neighbour"))) == ["neighbour"]
        assert len(works.begun) == HALF
        works.let_go()
        await settled(*from_anywhere)

    run(scenario())


def test_a_secret_that_was_lost_takes_nothing_of_its_owners_where_it_opens_nothing(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS, waiting_per_caller=3)
        owner, thief = Caller("192.0.2.1", "lost"), Caller("192.0.2.9", "lost")
        await threads.run(owner, lambda known_as: known_as("key 1") or "known")
        thefts = [begin(threads, thief, works.held("thief")) for _ in range(4)]
        await works.until(1)

        assert await settled(*(begin(threads, owner, at_once("owner")) for _ in range(3))) == ["owner"] * 3
        [refused] = await settled(begin(threads, thief, at_once("thief")))
        assert isinstance(refused, TooManyRequests)
        assert works.begun == ["thief"]
        works.let_go()
        await settled(*thefts)

    run(scenario())


def test_a_secret_that_opens_nothing_any_more_counts_as_nobodys_again(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS)
        caller = Caller("192.0.2.9", "secret")
        await threads.run(caller, lambda known_as: known_as("key 1") or "known")
        await threads.run(caller, lambda known_as: known_as("") or "refused")
        waiting = [begin(threads, caller, works.held("secret")) for _ in range(3)]
        await works.until(1)
        assert await settled(begin(threads, Caller("192.0.2.9"), at_once("neighbour"))) == ["neighbour"]
        assert works.begun == ["secret"]
        works.let_go()
        await settled(*waiting)

    run(scenario())


def test_a_caller_that_was_let_in_and_may_not_do_one_thing_stays_known(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS)
        caller = Caller("192.0.2.9", "secret")
        await threads.run(caller, lambda known_as: (known_as("key 1"), known_as("")) and "forbidden")
        waiting = [begin(threads, caller, works.held("key 1")) for _ in range(HALF)]
        await works.until(HALF)
        works.let_go()
        await settled(*waiting)

    run(scenario())


def test_an_address_is_free_again_as_soon_as_it_is_known_whose_its_requests_are(works):
    async def scenario() -> None:
        threads = FairThreads(THREADS)
        key = [begin(threads, Caller("192.0.2.9", "secret"), works.held("key 1", owner="key 1")) for _ in range(10)]
        await works.until(HALF)
        neighbours = [begin(threads, Caller("192.0.2.9", secret), at_once("neighbour")) for secret in ("", "another", "and another")]
        assert await settled(*neighbours) == ["neighbour"] * 3
        assert len(works.begun) == HALF
        works.let_go()
        await settled(*key)

    run(scenario())


def test_who_has_fewest_at_work_comes_before_those_who_came_earlier(works):
    async def scenario() -> None:
        begun: list[str] = []
        threads = FairThreads(THREADS)
        first = Works()  # one thread is free at first: who begins in it first is seen by nobody else's thread
        busy = [begin(threads, ANN, first.held("busy"))]
        busy += [begin(threads, caller, works.held("busy")) for caller in (ANN, BEN, BEN)]
        await asyncio.gather(first.until(1), works.until(THREADS - 1))
        late = [begin(threads, ANN, lambda known_as: begun.append("ann")) for _ in range(20)]
        late += [begin(threads, BEN, lambda known_as: begun.append("ben")) for _ in range(20)]
        await asyncio.sleep(0)
        late.append(begin(threads, CAT, lambda known_as: begun.append("cat")))
        await asyncio.sleep(0)
        first.let_go()
        await settled(late[-1])
        works.let_go()
        await settled(*busy, *late)
        assert begun[0] == "cat"

    run(scenario())


def test_more_waiting_requests_than_a_caller_may_have_are_429_and_other_callers_may_still_wait(works):
    async def scenario() -> None:
        threads = FairThreads(2, waiting_per_caller=3)
        held = [begin(threads, ANN, works.held("ann")) for _ in range(4)]
        await works.until(1)
        [refused] = await settled(begin(threads, ANN, at_once("too many")))
        assert isinstance(refused, TooManyRequests)
        assert "rate limit" in refused.message
        assert int(refused.headers["Retry-After"]) > 0
        assert await settled(begin(threads, BEN, at_once("ben"))) == ["ben"]
        works.let_go()
        assert await settled(*held) == ["ann"] * 4
        assert await settled(begin(threads, ANN, at_once("again"))) == ["again"]

    run(scenario())


def test_what_has_waited_for_too_long_is_503_and_never_begins(works):
    async def scenario() -> None:
        threads = FairThreads(2, patience=0.01)
        held = begin(threads, ANN, works.held("ann"))
        await works.until(1)
        [refused] = await settled(begin(threads, ANN, works.held("late")))
        assert isinstance(refused, Overloaded)
        works.let_go()
        assert await settled(held) == ["ann"]
        assert works.begun == ["ann"]

    run(scenario())


def test_a_request_whose_client_has_left_is_not_begun_and_one_that_has_begun_keeps_its_thread(works):
    async def scenario() -> None:
        threads = FairThreads(2)
        held, left, next_one = (begin(threads, ANN, works.held(name)) for name in ("held", "left", "next"))
        await works.until(1)
        for gone in (held, left):
            gone.cancel()
        await settled(held, left)
        assert works.begun == ["held"]  # still at work: nothing else of this caller is
        works.let_go()
        assert await settled(next_one) == ["next"]
        assert works.begun == ["held", "next"]

    run(scenario())


def test_what_fails_gives_its_thread_back():
    async def scenario() -> None:
        threads = FairThreads(2)
        failed = await settled(*(begin(threads, ANN, lambda known_as: str(1 // 0)) for _ in range(5)))
        assert {type(error) for error in failed} == {ZeroDivisionError}
        assert await settled(begin(threads, ANN, at_once("fine"))) == ["fine"]

    run(scenario())
