"""JSON, as it stands in the specification and as clients break it."""

import dataclasses
import enum
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgpack
import pytest

from conduit.signalr.handshake import HandshakeFailed, answer, read_handshake
from conduit.signalr.messages import Ack, Call, CancelInvocation, Close, Completion, Invocation, Ping, Sequence, StreamItem
from conduit.signalr.protocols import PROTOCOLS, BrokenMessage, JsonProtocol

LIMIT = 32 * 1024
protocol = JsonProtocol()


def read(data: bytes) -> list[Any]:
    return [protocol.parse(frame) for frame in protocol.cut(bytearray(data), LIMIT)]


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (Ping(), '{"type":6}'),
        (Close(), '{"type":7}'),
        (Close("gone", True), '{"type":7,"error":"gone","allowReconnect":true}'),
        (Ack(3), '{"type":8,"sequenceId":3}'),
        (Sequence(4), '{"type":9,"sequenceId":4}'),
        (StreamItem("1", [1]), '{"type":2,"invocationId":"1","item":[1]}'),
        (Completion("1"), '{"type":3,"invocationId":"1"}'),
        (Completion("1", None), '{"type":3,"invocationId":"1","result":null}'),
        (Completion("1", error="no"), '{"type":3,"invocationId":"1","error":"no"}'),
        (Invocation("Say", "é\x1e\n", 1.5), '{"type":1,"target":"Say","arguments":["\\u00e9\\u001e\\n",1.5]}'),
    ],
)
def test_a_message_is_written_as_one_record(message: Any, written: str) -> None:
    assert protocol.write(message) == written.encode() + b"\x1e"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('{"type":6}', Ping()),
        ('{"target":"Add","type":1,"arguments":[1,2],"headers":{"a":"b"},"new":true}', Call("Add", [1, 2])),
        ('{"type":1,"invocationId":"7","target":"Add","arguments":[]}', Call("Add", [], "7")),
        ('{"type":1,"invocationId":null,"target":"Add","arguments":[],"streamIds":null}', Call("Add", [])),
        ('{"type":4,"invocationId":"7","target":"Count","arguments":[5]}', Call("Count", [5], "7", streams=True)),
        ('{"type":1,"invocationId":"7","target":"Sum","arguments":[],"streamIds":["1"]}', Call("Sum", [], "7", ["1"])),
        ('{"type":2,"invocationId":"7","item":null}', StreamItem("7", None)),
        ('{"type":3,"invocationId":"7","result":null}', Completion("7", None)),
        ('{"type":3,"invocationId":"7","error":"no"}', Completion("7", error="no")),
        ('{"type":5,"invocationId":"7"}', CancelInvocation("7")),
        ('{"type":7,"error":"bye","allowReconnect":true}', Close("bye", True)),
        ('{"type":8,"sequenceId":0}', Ack(0)),
        ('{"type":99}', None),
    ],
)
def test_what_a_client_writes_is_understood(written: str, message: Any) -> None:
    assert read(written.encode() + b"\x1e") == [message]


@pytest.mark.parametrize(
    "written",
    [
        "",
        "{",
        "[]",
        "6",
        "{}",
        '{"type":"6"}',
        '{"type":true}',
        '{"type":1}',
        '{"type":1,"target":5,"arguments":[]}',
        '{"type":1,"target":"a","arguments":{}}',
        '{"type":1,"target":"a","arguments":[NaN]}',
        '{"type":1,"invocationId":5,"target":"a","arguments":[]}',
        '{"type":1,"target":"a","arguments":[],"streamIds":[1]}',
        '{"type":2,"invocationId":"7"}',
        '{"type":3}',
        '{"type":3,"invocationId":"7","result":1,"error":"no"}',
        '{"type":4,"target":"a","arguments":[]}',
        '{"type":8}',
        '{"type":8,"sequenceId":-1}',
        '{"type":8,"sequenceId":1.5}',
        '{"type":6}\udcff',
        "[" * 20_000,
        '{"type":8,"sequenceId":' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_message_breaks(written: str) -> None:
    with pytest.raises(BrokenMessage):
        read(written.encode(errors="surrogateescape") + b"\x1e")


def test_several_messages_may_arrive_at_once_and_one_in_pieces() -> None:
    written = protocol.write(Ack(1)) + protocol.write(StreamItem("1", "ü")) + protocol.write(Ping())
    buffer, messages = bytearray(), []
    for byte in written:
        buffer.append(byte)
        messages += [protocol.parse(frame) for frame in protocol.cut(buffer, LIMIT)]
    assert messages == [Ack(1), StreamItem("1", "ü"), Ping()]
    assert not buffer


@pytest.mark.parametrize("end", [b"", b"\x1e"])
def test_a_message_over_the_limit_breaks(end: bytes) -> None:
    assert list(protocol.cut(bytearray(b"x" * LIMIT), LIMIT)) == []
    with pytest.raises(BrokenMessage, match="longer than 32768 bytes"):
        list(protocol.cut(bytearray(b"x" * (LIMIT + 1) + end), LIMIT))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: date


VALUES = [
    Decimal("0.2000"),
    UUID(int=5),
    Colour.RED,
    Point(1, date(2026, 1, 2)),
]


@pytest.mark.parametrize("name", ["json", "messagepack"])
def test_values_of_python_are_written_as_texts_and_objects(name: str) -> None:
    one = PROTOCOLS[name]
    written = one.write(StreamItem("1", VALUES))
    [message] = [one.parse(frame) for frame in one.cut(bytearray(written), LIMIT)]
    assert message == StreamItem(
        "1",
        ["0.2000", "00000000-0000-0000-0000-000000000005", "red", {"x": 1, "when": "2026-01-02"}],
    )


IN_TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 120_000, tzinfo=UTC), "2026-01-02T03:04:05.12Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC), "2026-01-02T03:04:05.123456Z"),
        (datetime(2026, 1, 2, 12, 4, tzinfo=IN_TOKYO), "2026-01-02T03:04:00Z"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
    ],
)
def test_a_moment_is_written_as_dotnet_writes_it_in_json_and_as_a_timestamp_in_messagepack(moment: datetime, text: str) -> None:
    assert protocol.write(StreamItem("1", moment)) == b'{"type":2,"invocationId":"1","item":"%b"}\x1e' % text.encode()
    [frame] = PROTOCOLS["messagepack"].cut(bytearray(PROTOCOLS["messagepack"].write(StreamItem("1", {"at": [moment]}))), LIMIT)
    read = msgpack.unpackb(frame, timestamp=3)[3]["at"][0]
    assert read == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def test_bytes_are_base64_in_json_and_bytes_in_messagepack() -> None:
    assert protocol.write(StreamItem("1", b"\xff\x00")) == b'{"type":2,"invocationId":"1","item":"/wA="}\x1e'
    assert PROTOCOLS["messagepack"].write(StreamItem("1", b"\xff\x00")).hex(" ") == "09 94 02 80 a1 31 c4 02 ff 00"


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_a_value_without_an_encoding_is_an_error_and_not_half_a_message(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        protocol.write(StreamItem("1", value))


def test_an_invocation_is_encoded_once_for_each_protocol() -> None:
    message = Invocation("Say", {"a": 1})
    for one in PROTOCOLS.values():
        assert message.encoded(one) is message.encoded(one)
        assert message.encoded(one) == one.write(message)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("name", ["json", "messagepack"])
def test_a_handshake_agrees_on_a_protocol_and_leaves_what_follows(name: str, version: int) -> None:
    buffer = bytearray(b'{"protocol":"%s","version":%d}\x1erest' % (name.encode(), version))
    agreed = read_handshake(buffer, limit=LIMIT, binary=True)
    assert agreed is not None
    assert (agreed.protocol.name, agreed.version, bytes(buffer)) == (name, version, b"rest")


def test_a_handshake_may_arrive_in_pieces() -> None:
    assert read_handshake(bytearray(b'{"protocol":"json",'), limit=LIMIT, binary=True) is None


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ('{"protocol":"bson","version":1}', "The protocol 'bson' is not supported."),
        ('{"protocol":"json","version":3}', "The server does not support version 3 of the 'json' protocol."),
        ('{"protocol":"messagepack","version":1}', "Cannot use the 'messagepack' protocol on the current transport."),
        ('{"protocol":"json"}', "An unexpected error occurred during connection handshake."),
        ('{"protocol":"json","version":true}', "An unexpected error occurred during connection handshake."),
        ("[]", "An unexpected error occurred during connection handshake."),
        ("x" * 40_000, "Handshake was canceled."),
        ("\xff", "An unexpected error occurred during connection handshake."),
    ],
)
def test_a_handshake_that_cannot_be_agreed_tells_why(request_text: str, error: str) -> None:
    with pytest.raises(HandshakeFailed) as refused:
        read_handshake(bytearray(request_text.encode("latin-1") + b"\x1e"), limit=LIMIT, binary=False)
    assert str(refused.value).startswith(error)


def test_the_handshakes_answer_is_empty_or_an_error() -> None:
    assert answer() == b"{}\x1e"
    assert answer("no") == b'{"error":"no"}\x1e'
