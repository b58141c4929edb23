"""The two encodings of the hub protocol, and how messages are cut from a stream of bytes."""

import base64
import dataclasses
import enum
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgpack

from conduit.signalr.messages import (
    NOTHING,
    Ack,
    Call,
    CancelInvocation,
    Close,
    Completion,
    Incoming,
    Kind,
    Outgoing,
    Ping,
    Sequence,
    StreamItem,
    Type,
)

RECORD_SEPARATOR = b"\x1e"
_LENGTH_BYTES = 5  # of a MessagePack frame: 32 bits, 7 in each


class BrokenMessage(Exception):
    """What a client sent is not a message. The text is safe to tell it."""


class HubProtocol(Protocol):
    name: str
    binary: bool

    def write(self, message: Outgoing) -> bytes:
        """The message with its frame. TypeError, ValueError or OverflowError when a value has no encoding."""

    def cut(self, buffer: bytearray, limit: int) -> Iterator[bytes]:
        """Take whole frames from the front of the buffer. BrokenMessage when one is longer than the limit."""

    def parse(self, frame: bytes) -> Incoming | None:
        """The message in a frame, None when its type is one that we do not know. BrokenMessage when it is none."""


def _plain(value: Any) -> Any:
    """What both encodings can hold, of a value that they cannot."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no encoding")


def _plain_for_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return _text_of(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes | bytearray) else _plain(value)


def _text_of(moment: datetime) -> str:
    """As .NET writes a DateTime: in UTC it ends with Z, and no zeros end the fraction. Without a zone nothing is claimed of one."""
    text = (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + ("Z" if moment.tzinfo else "")


def _plain_for_messagepack(value: Any) -> Any:
    """A moment is a Timestamp, the one type of it that MessagePack has; without a zone it counts as UTC, as in .NET."""
    if isinstance(value, datetime):
        return msgpack.Timestamp.from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
    return _plain(value)


def _too_long(limit: int) -> BrokenMessage:
    return BrokenMessage(f"A message is longer than {limit} bytes.")


class JsonProtocol:
    name = "json"
    binary = False

    def __init__(self) -> None:
        # Everything outside ASCII is escaped, as .NET does: so a lone surrogate passes, and no line or record ends early.
        self._encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain_for_json).encode

    def write(self, message: Outgoing) -> bytes:
        return self._encode(message.as_object()).encode() + RECORD_SEPARATOR

    def cut(self, buffer: bytearray, limit: int) -> Iterator[bytes]:
        while (end := buffer.find(RECORD_SEPARATOR)) >= 0:
            if end > limit:
                raise _too_long(limit)
            frame = bytes(buffer[:end])
            del buffer[: end + 1]
            yield frame
        if len(buffer) > limit:
            raise _too_long(limit)

    def parse(self, frame: bytes) -> Incoming | None:
        return _message_of(_json_object(frame))


class MessagePackProtocol:
    name = "messagepack"
    binary = True

    def write(self, message: Outgoing) -> bytes:
        body: bytes = msgpack.packb(message.as_array(), default=_plain_for_messagepack)
        return varint(len(body)) + body

    def cut(self, buffer: bytearray, limit: int) -> Iterator[bytes]:
        while (measured := read_varint(buffer)) is not None:
            length, start = measured
            if length > limit:
                raise _too_long(limit)
            if len(buffer) < start + length:
                return
            frame = bytes(buffer[start : start + length])
            del buffer[: start + length]
            yield frame

    def parse(self, frame: bytes) -> Incoming | None:
        try:
            array = msgpack.unpackb(frame, strict_map_key=False, timestamp=3)
        except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException) as error:
            raise BrokenMessage("A message is not MessagePack.") from error
        if not isinstance(array, list) or not array:
            raise BrokenMessage("A message is not an array.")
        return _message_of(_object_of(array))


PROTOCOLS: dict[str, HubProtocol] = {protocol.name: protocol for protocol in (JsonProtocol(), MessagePackProtocol())}


def varint(length: int) -> bytes:
    """The length in groups of seven bits, the lowest first; the high bit says that more follow."""
    groups = bytearray()
    while length > 0x7F:
        groups.append(length & 0x7F | 0x80)
        length >>= 7
    groups.append(length)
    return bytes(groups)


def read_varint(buffer: bytearray) -> tuple[int, int] | None:
    """The number at the front and how many bytes it takes; None when its end has not arrived."""
    number = 0
    for index in range(min(len(buffer), _LENGTH_BYTES)):
        number |= (buffer[index] & 0x7F) << (7 * index)
        if not buffer[index] & 0x80:
            if number > 0x7FFFFFFF:
                raise BrokenMessage("A message's length is more than 31 bits.")
            return number, index + 1
    if len(buffer) >= _LENGTH_BYTES:
        raise BrokenMessage("A message's length is more than five bytes.")
    return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_object(frame: bytes) -> dict[str, Any]:
    try:
        value = json.loads(frame.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BrokenMessage("A message is not JSON.") from error
    if not isinstance(value, dict):
        raise BrokenMessage("A message is not an object.")
    return value


# The properties of each type's array after the type; `headers` are for others.
_FIELDS: dict[int, tuple[str, ...]] = {
    Type.INVOCATION: ("headers", "invocationId", "target", "arguments", "streamIds"),
    Type.STREAM_ITEM: ("headers", "invocationId", "item"),
    Type.COMPLETION: ("headers", "invocationId", "kind", "value"),
    Type.STREAM_INVOCATION: ("headers", "invocationId", "target", "arguments", "streamIds"),
    Type.CANCEL_INVOCATION: ("headers", "invocationId"),
    Type.PING: (),
    Type.CLOSE: ("error", "allowReconnect"),
    Type.ACK: ("sequenceId",),
    Type.SEQUENCE: ("sequenceId",),
}


def _object_of(array: list[Any]) -> dict[str, Any]:
    """A MessagePack message by the names that JSON has for its parts. Parts that are missing or new are left out."""
    of_type = array[0]
    if isinstance(of_type, bool) or not isinstance(of_type, int):
        raise BrokenMessage("A message has no type.")
    parts = dict(zip(_FIELDS.get(of_type, ()), array[1:], strict=False))
    if of_type == Type.COMPLETION:
        kind, value = parts.pop("kind", None), parts.pop("value", None)
        if kind == Kind.ERROR:
            parts["error"] = value
        elif kind == Kind.VALUE:
            parts["result"] = value
        elif kind != Kind.VOID:
            raise BrokenMessage("A completion has no kind.")
    return parts | {"type": of_type}


def _message_of(parts: dict[str, Any]) -> Incoming | None:
    of_type = parts.get("type")
    if isinstance(of_type, bool) or not isinstance(of_type, int):
        raise BrokenMessage("A message has no type.")
    read = _READERS.get(of_type)
    return read(parts) if read else None


def _call(parts: dict[str, Any]) -> Call:
    streams = parts["type"] == Type.STREAM_INVOCATION
    return Call(
        target=_text(parts, "target"),
        arguments=_list(parts, "arguments"),
        invocation_id=_text(parts, "invocationId") if streams or parts.get("invocationId") is not None else None,
        stream_ids=_stream_ids(parts),
        streams=streams,
    )


def _completion(parts: dict[str, Any]) -> Completion:
    error = parts.get("error")
    if error is not None and "result" in parts:
        raise BrokenMessage("A completion has a result and an error.")
    return Completion(_text(parts, "invocationId"), parts.get("result", NOTHING), None if error is None else _text(parts, "error"))


def _close(parts: dict[str, Any]) -> Close:
    return Close(_text(parts, "error") if parts.get("error") is not None else None, parts.get("allowReconnect") is True)


def _stream_item(parts: dict[str, Any]) -> StreamItem:
    if "item" not in parts:
        raise BrokenMessage("A message has no item.")
    return StreamItem(_text(parts, "invocationId"), parts["item"])


def _text(parts: dict[str, Any], name: str) -> str:
    value = parts.get(name)
    if not isinstance(value, str):
        raise BrokenMessage(f"A message has no {name}.")
    return value


def _list(parts: dict[str, Any], name: str) -> list[Any]:
    value = parts.get(name)
    if not isinstance(value, list):
        raise BrokenMessage(f"A message has no {name}.")
    return value


def _stream_ids(parts: dict[str, Any]) -> list[str]:
    ids = parts.get("streamIds") or []
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise BrokenMessage("A message's streamIds are no list of texts.")
    return ids


def _number(parts: dict[str, Any]) -> int:
    value = parts.get("sequenceId")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BrokenMessage("A message has no sequenceId.")
    return value


_READERS: dict[int, Any] = {
    Type.INVOCATION: _call,
    Type.STREAM_ITEM: _stream_item,
    Type.COMPLETION: _completion,
    Type.STREAM_INVOCATION: _call,
    Type.CANCEL_INVOCATION: lambda parts: CancelInvocation(_text(parts, "invocationId")),
    Type.PING: lambda parts: Ping(),
    Type.CLOSE: _close,
    Type.ACK: lambda parts: Ack(_number(parts)),
    Type.SEQUENCE: lambda parts: Sequence(_number(parts)),
}
