"""The gate of a WebSocket: of pings that come while answers wait for their reader, the newest stands for all."""

import asyncio
from typing import Any

from conduit.web.backpressure import _SocketGate


class Socket:
    """What the gate uses of daphne's."""

    def __init__(self) -> None:
        self.transport = None
        self.pongs: list[bytes] = []

    def onFrameBegin(self) -> None:
        pass

    def sendPong(self, payload: bytes) -> None:
        self.pongs.append(payload)


def test_whoever_pinged_while_its_answers_waited_is_answered_when_it_takes_them() -> None:
    async def scenario() -> None:
        socket: Any = Socket()
        gate = _SocketGate(socket)
        gate.answer_ping(b"before")
        gate.pauseProducing()
        gate.answer_ping(b"meanwhile")
        gate.answer_ping(b"the newest")
        assert socket.pongs == [b"before"]
        gate.resumeProducing()
        assert socket.pongs == [b"before", b"the newest"]

    asyncio.run(scenario())
