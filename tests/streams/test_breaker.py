"""A Redis that is away is found out once for all who ask it."""

import asyncio
import logging
import time

import pytest
from redis.exceptions import ConnectionError as NoConnection

from conduit.streams import breaker
from conduit.streams.breaker import Away, Breaker, breaker_of


def ask(asked: Breaker, error: Exception | None = None, without: str = "nothing is counted") -> bool:
    """Whether it was asked at all; raises Away when it is."""
    was_asked = False
    try:
        with asked.asking(without):
            was_asked = True
            if error:
                raise error
    except Away:
        if not was_asked:
            return False
        raise
    return was_asked


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """One that has just heard nothing, and asks again when a test says so."""
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    opened = Breaker()
    with pytest.raises(Away) as raised:
        ask(opened, NoConnection("refused"))
    assert isinstance(raised.value.__cause__, NoConnection)
    return opened


def a_while_later(opened: Breaker) -> None:
    opened._asked_again_at = time.monotonic()


@pytest.mark.parametrize("error", [NoConnection("refused"), TimeoutError(), OSError()])
def test_after_no_answer_nobody_asks_for_a_while(error, monkeypatch):
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    asked = Breaker()

    with pytest.raises(Away):
        ask(asked, error)

    assert not ask(asked)


def test_then_one_asks_for_all_and_an_answer_lets_everybody_ask(away):
    a_while_later(away)
    with away.asking("one asks"):
        assert not ask(away)

    assert ask(away)


def test_one_that_asks_again_in_vain_costs_the_others_nothing(away):
    a_while_later(away)

    with pytest.raises(Away):
        ask(away, TimeoutError())

    assert not ask(away)


def test_a_redis_that_answered_somebody_meanwhile_is_slow_and_not_away():
    asked = Breaker()

    def slow() -> None:
        with asked.asking("a slow question"):
            assert ask(asked)
            raise TimeoutError

    with pytest.raises(Away):
        slow()

    assert ask(asked)


def test_what_went_wrong_otherwise_is_raised_as_it_is():
    asked = Breaker()

    with pytest.raises(ValueError, match="a mistake of ours"):
        ask(asked, ValueError("a mistake of ours"))

    assert ask(asked)


def test_who_is_given_up_while_he_asks_for_all_keeps_nobody_from_asking_later(away):
    async def given_up() -> None:
        with away.asking("a question"):
            await asyncio.sleep(60)

    async def run() -> None:
        a_while_later(away)
        asking = asyncio.create_task(given_up())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(run())
    a_while_later(away)

    assert ask(away)


def test_the_log_says_once_what_is_not_done(caplog, monkeypatch):
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 0)
    asked = Breaker()

    with caplog.at_level(logging.WARNING):
        for without in ["calls are not counted", "calls are not counted", "nothing is published"]:
            with pytest.raises(Away):
                ask(asked, NoConnection(), without)

    assert [line.getMessage() for line in caplog.records] == [
        "redis away: calls are not counted (ConnectionError)",
        "redis away: nothing is published (ConnectionError)",
    ]


def test_all_who_ask_one_redis_share_what_is_known_of_it():
    assert breaker_of("redis://one") is breaker_of("redis://one")
    assert breaker_of("redis://one") is not breaker_of("redis://two")
