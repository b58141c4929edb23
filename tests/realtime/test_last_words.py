"""The rest of a stream that is over: a reader that takes it gets all of it, however slowly it is sent; one that takes nothing is cut."""

import asyncio
from typing import Any

import pytest

from tasks.realtime import stream
from tasks.realtime.stream import Dropped, Stream

CLOSING_SECONDS = 0.3


class Told(Stream[str]):
    async def _tell_all(self) -> None: ...


class SlowGate:
    """Of a process that comes to a connection so seldom; `opens` says whether its client takes anything."""

    def __init__(self, *, opens: bool) -> None:
        self.is_aborted = False
        self._opens = opens
        self._opened = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    async def wait_open(self) -> None:
        await self._opened.wait()

    def close(self) -> None:
        self._opened.clear()
        if self._opens:
            asyncio.get_running_loop().call_later(CLOSING_SECONDS / 3, self._opened.set)

    def abort(self) -> None:
        self.is_aborted = True


def told(gate: Any) -> Told:
    """A stream that is over, of which ten messages are left."""
    over: Any = Told(None, None)  # type: ignore[arg-type]  # neither is used
    for number in range(10):
        over.say(str(number))
    over.end(None)
    gate.close()
    return over


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLOSING_SECONDS", CLOSING_SECONDS)
    monkeypatch.setattr(stream, "LOOK_SECONDS", CLOSING_SECONDS / 10)


def test_a_reader_that_takes_the_rest_gets_all_of_it_though_it_takes_longer_than_one_that_takes_nothing_has() -> None:
    async def case() -> None:
        gate: Any = SlowGate(opens=True)
        over = told(gate)
        for number in range(10):
            assert await over.next(gate) == str(number)
            gate.close()
        assert await over.next(gate) is None

    asyncio.run(case())


def test_a_reader_that_takes_nothing_is_cut() -> None:
    async def case() -> None:
        gate: Any = SlowGate(opens=False)
        over = told(gate)
        with pytest.raises(Dropped):
            async with asyncio.timeout(60):
                await over.next(gate)
        assert gate.is_aborted

    asyncio.run(case())
