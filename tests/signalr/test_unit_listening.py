"""A process goes on hearing the others, whatever becomes of the connection that it listens on."""

import asyncio
from urllib.parse import urlsplit

import pytest

from conduit.signalr.mailboxes import Mailboxes
from tests.settings import VALKEY
from tests.support.relay import Relay


@pytest.mark.parametrize("trouble", ["silence", "cut"])
def test_a_listener_whose_connection_failed_listens_again_within_seconds(trouble):
    port = urlsplit(VALKEY.url).port

    async def listens_again(relay: Relay) -> float:
        mail = Mailboxes(VALKEY.url.replace(f":{port}/", f":{relay.port}/"), prefix="listening:", process="one", lease=6, offered=15)
        began = asyncio.Event()

        async def heard(kind: str, name: str) -> None: ...

        async def has_begun() -> None:
            began.set()

        listening = asyncio.create_task(mail.listen(heard, has_begun))
        await asyncio.wait_for(began.wait(), 60)
        began.clear()
        getattr(relay, trouble)()
        relay.mend()
        since = asyncio.get_running_loop().time()
        await asyncio.wait_for(began.wait(), 60)
        seconds = asyncio.get_running_loop().time() - since
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await mail.close()
        return seconds

    with Relay(port or 0) as relay:
        seconds = asyncio.run(listens_again(relay))

    print(f"{trouble}: {seconds:.2f} s")
    assert seconds < 30
