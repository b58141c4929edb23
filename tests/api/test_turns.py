"""Turns: so many at once of each name, the first first, and nothing kept of who is gone."""

import asyncio
from contextlib import suppress

from conduit.api.turns import Turns


def test_a_name_has_so_many_turns_and_keeps_no_other_name_waiting():
    async def scenario():
        turns, begun, go = Turns(2), [], asyncio.Event()

        async def work(name, number):
            async with turns.of(name):
                begun.append((name, number))
                await go.wait()

        anns = [asyncio.create_task(work("ann", number)) for number in range(4)]
        ben = asyncio.create_task(work("ben", 0))
        await asyncio.sleep(0)
        assert begun == [("ann", 0), ("ann", 1), ("ben", 0)]
        assert (turns.wanted("ann"), turns.wanted("ben"), turns.wanted("cat")) == (4, 1, 0)
        go.set()
        await asyncio.gather(*anns, ben)
        assert begun[3:] == [("ann", 2), ("ann", 3)]

    asyncio.run(scenario())


def test_who_fails_or_leaves_gives_the_turn_back_and_names_are_forgotten():
    async def scenario():
        turns = Turns(1)

        async def wait_in_it():
            async with turns.of("ann"):
                await asyncio.Event().wait()

        waiting = [asyncio.create_task(wait_in_it()) for _ in range(3)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with suppress(ValueError):
            async with turns.of("ann"):
                raise ValueError
        async with asyncio.timeout(60), turns.of("ann"):
            assert turns.wanted("ann") == 1
        assert vars(turns)["_turns"] == vars(turns)["_users"] == {}

    asyncio.run(scenario())
