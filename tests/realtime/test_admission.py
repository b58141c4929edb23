"""Who is looked at when connections open: invented keys of one address keep no other address waiting."""

import asyncio
import threading

import pytest

from tasks.realtime import feeds as room
from tasks.realtime.feeds import THREADS, Feeds


def opening(address, secret):
    return {"headers": [(b"authorization", f"Bearer {secret}".encode())], "client": (address, 1), "query_string": b""}


@pytest.fixture
def held(monkeypatch):
    """Looking at keys of one address takes until the test is over."""
    go, begun = threading.Event(), []

    def admit(secret, address):
        begun.append(secret)
        if address == "192.0.2.9":
            assert go.wait(30)
        return secret, None

    monkeypatch.setattr(room, "admit", admit)
    yield begun
    go.set()


def test_one_address_has_half_of_the_threads_whatever_keys_it_invents(held):
    async def scenario():
        feeds = Feeds()
        strangers = [asyncio.create_task(feeds.admit(opening("192.0.2.9", f"condt_{number}"))) for number in range(3 * THREADS)]
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            assert await feeds.admit(opening("192.0.2.1", "condt_ann")) == "condt_ann"
        assert held == ["condt_0", "condt_1", "condt_ann"]
        for stranger in strangers:
            stranger.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)

    asyncio.run(scenario())
