"""A connection of the event loop that broke is heard no more, and leaves alone whoever has the number of its socket by then."""

import asyncio
import os
import socket

import pytest

from conduit.postgresql.pipelines import Pipeline
from conduit.statements import Statement
from tests.settings import ON_SQLITE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(ON_SQLITE, reason="the event loop asks PostgreSQL alone"),
]


def test_who_has_the_socket_of_a_connection_that_broke_is_heard_when_that_is_given_up():
    """Idle connections break in a restart of the database, and are found in the next create's way: clients have come meanwhile."""

    async def act():
        client, ours = socket.socketpair()
        idle, other = await Pipeline.open(), await Pipeline.open()
        await other.send([Statement("SELECT pg_terminate_backend(%s)", (idle._opened.info.backend_pid,))])
        other.finish()
        async with asyncio.timeout(60):
            while idle.lives:
                await asyncio.sleep(0.01)
        with client, ours:
            number = os.dup2(ours.fileno(), idle._socket)
            heard, loop = asyncio.Event(), asyncio.get_running_loop()
            loop.add_reader(number, heard.set)
            idle.finish()
            client.sendall(b"here")
            try:
                async with asyncio.timeout(10):
                    await heard.wait()
            finally:
                loop.remove_reader(number)
                os.close(number)

    asyncio.run(act())
