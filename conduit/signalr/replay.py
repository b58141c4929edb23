"""Stateful reconnect: both sides number their messages and keep what the other has not acknowledged."""

from collections import deque

from conduit.signalr.messages import NUMBERED, Incoming, Sequence
from conduit.signalr.protocols import BrokenMessage


class Replay:
    """The numbers of one connection, over all the sockets that it has had. Numbers start at 1."""

    def __init__(self, buffer_bytes: int) -> None:
        self._buffer_bytes = buffer_bytes
        self._sent = 0
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._received = 0  # the highest number that was handled
        self._next = 1  # the number of the next message to arrive, lower than `_received` while a client sends again
        self._acknowledged = 0
        self._waits_for_sequence = False

    @property
    def is_full(self) -> bool:
        """Whether to wait for an acknowledgement before more is sent."""
        return self._kept_bytes >= self._buffer_bytes

    def sent(self, data: bytes) -> None:
        self._sent += 1
        self._kept.append(data)
        self._kept_bytes += len(data)

    def acknowledged(self, number: int) -> None:
        """The client has everything up to this number."""
        first = self._sent - len(self._kept) + 1
        for _ in range(min(number - first + 1, len(self._kept))):
            self._kept_bytes -= len(self._kept.popleft())

    def again(self) -> tuple[int, list[bytes]]:
        """What a new socket gets first: the number of the first unacknowledged message (one after the last if there is none), and
        all of these. The published page says "the next to send"; the official clients and .NET mean this."""
        return self._sent - len(self._kept) + 1, list(self._kept)

    def cut(self) -> None:
        """The socket is gone: what comes on the next one before its Sequence is not counted."""
        self._waits_for_sequence = True

    def resume(self, message: Sequence) -> None:
        """BrokenMessage when messages are missing between what we have and what the client sends next."""
        if message.sequence_id > self._received + 1:
            raise BrokenMessage("Sequence ID greater than amount of messages we've received.")
        self._next = message.sequence_id
        self._waits_for_sequence = False

    def is_new(self, message: Incoming) -> bool:
        """Whether to handle what arrived."""
        if self._waits_for_sequence and not isinstance(message, Sequence):
            return False
        if not isinstance(message, NUMBERED):
            return True
        number = self._next
        self._next += 1
        if number <= self._received:
            self._acknowledged = min(self._acknowledged, number - 1)  # it sends again because our acknowledgement was lost
            return False
        self._received = number
        return True

    def due_ack(self) -> int | None:
        """The number to acknowledge, once; None when the client knows already."""
        if self._acknowledged == self._received:
            return None
        self._acknowledged = self._received
        return self._received
