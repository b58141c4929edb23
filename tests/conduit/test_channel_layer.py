"""Who listens on the channel layer goes on listening, whatever becomes of its connection."""

import asyncio
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from conduit import channel_layer
from conduit.channel_layer import ChannelLayer
from conduit.redis_client import KEEPALIVE
from tests.support.databases import redis_url
from tests.support.relay import Relay


def layer_at(port: int) -> ChannelLayer:
    return ChannelLayer(hosts=[{"address": redis_url(port), "socket_connect_timeout": 30, **KEEPALIVE}])


@pytest.mark.parametrize("trouble", ["silence", "cut"])
def test_a_listener_hears_again_within_seconds(monkeypatch, trouble):
    monkeypatch.setattr(channel_layer, "ASK_SECONDS", 1.2)  # above the second for which the library pauses

    async def hears_again(relay: Relay) -> float:
        here, there = layer_at(relay.port), layer_at(urlsplit(settings.REDIS_URL).port or 0)
        name = await here.new_channel()
        await here.group_add("tests.group", name)

        async def is_heard(kind: str) -> None:
            """Sent again and again: who joins a group is in it a moment later."""

            async def send() -> None:
                while True:
                    await there.group_send("tests.group", {"type": kind})
                    await asyncio.sleep(0.05)

            sending = asyncio.create_task(send())
            while (await asyncio.wait_for(here.receive(name), 60))["type"] != kind:
                pass
            sending.cancel()

        await is_heard("before")
        getattr(relay, trouble)()
        relay.mend()
        began = asyncio.get_running_loop().time()
        await is_heard("after")
        seconds = asyncio.get_running_loop().time() - began
        await here.flush()
        await there.flush()
        return seconds

    with Relay(urlsplit(settings.REDIS_URL).port or 0) as relay:
        seconds = asyncio.run(hears_again(relay))

    print(f"{trouble}: {seconds:.2f} s")
    assert seconds < 30
