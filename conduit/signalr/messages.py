"""The messages of the hub protocol, and what each looks like as a JSON object and as a MessagePack array."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol


class Type(IntEnum):
    INVOCATION = 1
    STREAM_ITEM = 2
    COMPLETION = 3
    STREAM_INVOCATION = 4
    CANCEL_INVOCATION = 5
    PING = 6
    CLOSE = 7
    ACK = 8
    SEQUENCE = 9


class Kind(IntEnum):
    """Of a completion, in MessagePack."""

    ERROR = 1
    VOID = 2
    VALUE = 3


class Nothing:
    """The end of a stream, which has no result, not even null."""


NOTHING = Nothing()


class Encoding(Protocol):
    """How messages are written."""

    name: str

    def write(self, message: Any) -> bytes: ...


class Invocation:
    """A call of a client's method, which expects no reply. Immutable: encoded once for all connections that it is sent to."""

    __slots__ = ("_encoded", "arguments", "target")

    def __init__(self, target: str, *arguments: Any) -> None:
        self.target = target
        self.arguments = arguments
        self._encoded: dict[str, bytes] = {}

    def encoded(self, protocol: Encoding) -> bytes:
        data = self._encoded.get(protocol.name)
        if data is None:
            data = self._encoded[protocol.name] = protocol.write(self)
        return data

    def as_object(self) -> dict[str, Any]:
        return {"type": Type.INVOCATION, "target": self.target, "arguments": self.arguments}

    def as_array(self) -> list[Any]:
        return [Type.INVOCATION, {}, None, self.target, self.arguments, []]


@dataclass(frozen=True, slots=True)
class Call:
    """A client calls a method of the hub: once, or for a stream of items. Without an id it expects no reply."""

    target: str
    arguments: list[Any]
    invocation_id: str | None = None
    stream_ids: list[str] = field(default_factory=list)
    streams: bool = False


@dataclass(frozen=True, slots=True)
class StreamItem:
    invocation_id: str
    item: Any

    def as_object(self) -> dict[str, Any]:
        return {"type": Type.STREAM_ITEM, "invocationId": self.invocation_id, "item": self.item}

    def as_array(self) -> list[Any]:
        return [Type.STREAM_ITEM, {}, self.invocation_id, self.item]


@dataclass(frozen=True, slots=True)
class Completion:
    invocation_id: str
    result: Any = NOTHING
    error: str | None = None

    def as_object(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"type": Type.COMPLETION, "invocationId": self.invocation_id}
        if self.error is not None:
            return plain | {"error": self.error}
        return plain if self.result is NOTHING else plain | {"result": self.result}

    def as_array(self) -> list[Any]:
        plain: list[Any] = [Type.COMPLETION, {}, self.invocation_id]
        if self.error is not None:
            return [*plain, Kind.ERROR, self.error]
        return [*plain, Kind.VOID] if self.result is NOTHING else [*plain, Kind.VALUE, self.result]


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    invocation_id: str


@dataclass(frozen=True, slots=True)
class Ping:
    def as_object(self) -> dict[str, Any]:
        return {"type": Type.PING}

    def as_array(self) -> list[Any]:
        return [Type.PING]


@dataclass(frozen=True, slots=True)
class Close:
    error: str | None = None
    allow_reconnect: bool = False

    def as_object(self) -> dict[str, Any]:
        error = {} if self.error is None else {"error": self.error}
        return {"type": Type.CLOSE} | error | ({"allowReconnect": True} if self.allow_reconnect else {})

    def as_array(self) -> list[Any]:
        return [Type.CLOSE, self.error, self.allow_reconnect]


@dataclass(frozen=True, slots=True)
class Ack:
    """The number of the last message that was received."""

    sequence_id: int

    def as_object(self) -> dict[str, Any]:
        return {"type": Type.ACK, "sequenceId": self.sequence_id}

    def as_array(self) -> list[Any]:
        return [Type.ACK, self.sequence_id]


@dataclass(frozen=True, slots=True)
class Sequence:
    """After a reconnect: the number of the message that comes next."""

    sequence_id: int

    def as_object(self) -> dict[str, Any]:
        return {"type": Type.SEQUENCE, "sequenceId": self.sequence_id}

    def as_array(self) -> list[Any]:
        return [Type.SEQUENCE, self.sequence_id]


Outgoing = Invocation | StreamItem | Completion | Ping | Close | Ack | Sequence
Incoming = Call | StreamItem | Completion | CancelInvocation | Ping | Close | Ack | Sequence

# What stateful reconnect numbers: the rest is about the connection, not a part of the conversation.
NUMBERED = (Invocation, Call, StreamItem, Completion, CancelInvocation)
