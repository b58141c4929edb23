"""The gate of a WebSocket: when it closes, and that of pings that come while answers wait for their reader the newest stands for all."""

import asyncio
from typing import Any

from twisted.internet.abstract import FileDescriptor

from conduit.web.backpressure import _SocketGate


class Socket:
    """What the gate uses of daphne's."""

    def __init__(self) -> None:
        self.transport: Any = None
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


class Unsent(FileDescriptor):
    """A connection whose socket takes nothing, and that reads by small pieces, as daphne_patches has it for WebSockets."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.connected, self.bufferSize = 1, 512

    def startWriting(self) -> None:
        pass


def test_a_gate_closes_when_much_is_unsent_and_not_at_each_message() -> None:
    async def scenario() -> None:
        socket: Any = Socket()
        socket.transport = Unsent(reactor=object())
        gate = _SocketGate(socket)
        socket.transport.registerProducer(gate, True)
        for _ in range(64):
            socket.transport.write(bytes(1024))
            assert gate.is_open
        socket.transport.write(b"more")
        assert not gate.is_open

    asyncio.run(scenario())
