"""Commands that leave together are answered each for itself; a connection that goes wrong costs what was under way on it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from conduit.redis_on_loop import LoopRedis
from tests.settings import VALKEY


def run(act: Callable[[LoopRedis], Awaitable[Any]], url: str = VALKEY.url, *, seconds: float = 60.0) -> Any:
    async def running() -> Any:
        server = LoopRedis(url, seconds=seconds)
        try:
            return await act(server)
        finally:
            await server.close()

    return asyncio.run(running())


def test_each_of_many_that_leave_together_gets_its_own_answer():
    async def act(server: LoopRedis) -> Any:
        return await asyncio.gather(*[server.ask("ECHO", number) for number in range(500)], server.ask("EVAL", "return {1, 'a', {2}}", 0))

    *echoed, nested = run(act)

    assert echoed == [str(number).encode() for number in range(500)]
    assert nested == [1, b"a", [2]]


def test_who_comes_while_the_connection_is_made_waits_for_that_one():
    async def act(server: LoopRedis) -> Any:
        first = server.ask("CLIENT", "ID")
        asked = [first]
        while not first.done():
            asked.append(server.ask("CLIENT", "ID"))
            await asyncio.sleep(0)
        return await asyncio.gather(*asked)

    assert len(set(run(act))) == 1


def test_a_command_that_is_refused_fails_alone():
    async def act(server: LoopRedis) -> Any:
        refused, unknown, fine = server.ask("GETT", "x"), server.ask("EVALSHA", "0" * 40, 0), server.ask("PING")
        with pytest.raises(redis.ResponseError, match="unknown command"):
            await refused
        with pytest.raises(redis.exceptions.NoScriptError):
            await unknown
        return await fine

    assert run(act) == b"PONG"


def test_the_database_that_the_address_names_is_the_one_that_is_asked():
    other = VALKEY.url.rpartition("/")[0] + "/3"

    async def act(server: LoopRedis) -> Any:
        return await server.ask("CLIENT", "INFO")

    assert b" db=3 " in run(act, other)


def test_a_wrong_password_is_an_error_of_redis():
    before, _, after = VALKEY.url.partition("@")

    async def act(server: LoopRedis) -> Any:
        with pytest.raises(redis.RedisError):
            await server.ask("PING")

    run(act, f"{before[:-1]}@{after}")


def test_a_connection_that_ended_meanwhile_is_made_anew():
    """What was under way on it failed; whoever comes when it is known to have ended notices nothing."""

    async def act(server: LoopRedis) -> Any:
        number = await server.ask("CLIENT", "ID")
        under_way = server.ask("BLPOP", "nothing", 20)
        await asyncio.to_thread(_kill, number)
        with pytest.raises(redis.RedisError):
            await under_way
        return number, await server.ask("CLIENT", "ID")

    first, second = run(act)

    assert first != second


def _kill(number: int) -> None:
    with redis.Redis.from_url(VALKEY.url) as other:
        other.client_kill_filter(_id=str(number))


def test_nobody_waits_for_an_answer_longer_than_the_seconds():
    async def act(server: LoopRedis) -> Any:
        await server.ask("PING")
        slow, behind = server.ask("BLPOP", "nothing", 20), server.ask("PING")
        for late in (slow, behind):
            with pytest.raises(redis.TimeoutError):
                await late
        server._seconds = 60.0
        return await server.ask("PING")

    assert run(act, seconds=1.0) == b"PONG"


def test_a_server_that_is_not_there_is_an_error_of_redis():
    async def act(server: LoopRedis) -> Any:
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                await server.ask("PING")

    run(act, "redis://127.0.0.1:9/0")


def test_who_stops_waiting_takes_no_answer_from_others():
    async def act(server: LoopRedis) -> Any:
        await server.ask("PING")
        gone, stays = server.ask("ECHO", "gone"), server.ask("ECHO", "stays")
        gone.cancel()
        return await stays

    assert run(act) == b"stays"
