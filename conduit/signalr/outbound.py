"""What is said to a client, until its wire takes it: in which order, what is kept to be said again, and when it has to wait."""

import time
from collections.abc import Hashable

from conduit.signalr.options import Options
from conduit.signalr.replay import Replay
from conduit.signalr.wires import Wire
from conduit.streams.outbox import Outbox


class _Waiting:
    """One encoded message. `numbered`: stateful reconnect counts it."""

    __slots__ = ("data", "numbered")

    def __init__(self, data: bytes, *, numbered: bool) -> None:
        self.data = data
        self.numbered = numbered

    def __len__(self) -> int:
        return len(self.data)


class Outbound:
    """Encoded messages that wait to be taken by the wire of the moment, if there is one."""

    def __init__(self, options: Options) -> None:
        self._bound = options.outstanding_bytes
        self._first: list[bytes] = []  # what goes before all that waits, unnumbered or numbered before
        self._box: Outbox[_Waiting] = Outbox()
        self.replay: Replay | None = None  # of a connection with stateful reconnect
        self.is_held = False  # until it is known that the client counts
        self.is_last = False  # what waits is all that will ever be said
        self.wire: Wire | None = None
        self.taken_at = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._box.bytes

    @property
    def is_empty(self) -> bool:
        return not self._box and not self._first

    @property
    def waits(self) -> bool:
        """Whether anything waits behind what goes first."""
        return bool(self._box)

    @property
    def is_too_much(self) -> bool:
        """Whether more waits than may, and for the client: not only for its turn in this process."""
        if self._box.bytes <= self._bound:
            return False
        return self.wire is None or self.wire.is_stuck or self._is_full or self._box.bytes > 4 * self._bound

    @property
    def _is_full(self) -> bool:
        """Whether to wait for acknowledgements. What is over is not resumed: its Close need not wait."""
        return self.replay is not None and self.replay.is_full and not self.is_last

    def put(self, data: bytes, *, numbered: bool, replaces: Hashable | None = None) -> None:
        """Behind all that waits. `replaces`: of messages with an equal token only the newest remains."""
        self._box.put(_Waiting(data, numbered=numbered), replaces=replaces)

    def put_first(self, *messages: bytes) -> None:
        """Instead of what went first until now."""
        self._first = list(messages)
        self.wake()

    def put_back(self, data: bytes) -> None:
        """Bytes that were taken and reached nobody."""
        self._box.put_back(_Waiting(data, numbered=False))
        self.wake()

    def hold(self, replay: Replay) -> None:
        """Number messages, and keep them back until `release`."""
        self.replay, self.is_held = replay, True

    def release(self) -> None:
        if self.is_held:
            self.is_held = False
            self.wake()

    def take(self, limit: int) -> bytes:
        """The next bytes for the client, about `limit` of them; none when it has to wait."""
        if self._first:
            parts, self._first = self._first, []
        else:
            parts = self._taken(limit)
        if parts:
            self.taken_at = time.monotonic()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _taken(self, limit: int) -> list[bytes]:
        parts: list[bytes] = []
        size = 0
        while self._box and size < limit and not self.is_held and not self._is_full:
            message = self._box.take()
            if self.replay is not None and message.numbered:
                self.replay.sent(message.data)
            parts.append(message.data)
            size += len(message.data)
        return parts

    def clear(self) -> None:
        """Nobody will take what is here."""
        self._box.clear()
        self._first.clear()
        self.wake()

    async def drained(self) -> None:
        """Wait until what waits was taken."""
        await self._box.drained()

    def wake(self) -> None:
        if self.wire is not None:
            self.wire.ready.set()
