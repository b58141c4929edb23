"""A process goes on hearing the others, whatever becomes of the connection that it listens on."""

import asyncio
from urllib.parse import urlsplit

import pytest
from redis.asyncio.connection import AbstractConnection

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


def test_a_listener_that_is_cancelled_ends_even_in_the_moment_in_which_it_has_sent(monkeypatch):
    """redis-py sends in `asyncio.wait_for`, which before Python 3.12 keeps such a cancellation for itself."""
    send = AbstractConnection._send_packed_command
    sending: list[asyncio.Task[None]] = []

    async def send_and_cancel(connection, command):
        await send(connection, command)
        if any(b"PING" in piece for piece in command):
            sending[0].cancel()

    async def scenario():
        mail = Mailboxes(VALKEY.url, prefix="listening:", process="cancelled", lease=6, offered=15)

        async def heard(*_): ...

        monkeypatch.setattr(AbstractConnection, "_send_packed_command", send_and_cancel)
        sending.append(asyncio.create_task(mail.listen(heard, heard)))
        await asyncio.wait(sending, timeout=20)
        has_ended = sending[0].cancelled()
        sending[0].cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await mail.close()
        return has_ended

    assert asyncio.run(scenario())
