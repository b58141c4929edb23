"""MessagePack, byte by byte."""

from typing import Any

import pytest

from conduit.signalr.messages import (
    Ack,
    Call,
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Ping,
    Sequence,
    StreamItem,
)
from conduit.signalr.protocols import BrokenMessage, MessagePackProtocol, read_varint, varint

LIMIT = 32 * 1024
protocol = MessagePackProtocol()


def read(data: bytes, limit: int = LIMIT) -> list[Any]:
    return [protocol.parse(frame) for frame in protocol.cut(bytearray(data), limit)]


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (Ping(), "02 91 06"),
        (Ack(36), "03 92 08 24"),
        (Ack(255), "04 92 08 cc ff"),
        (Sequence(19), "03 92 09 13"),
        (Close(), "04 93 07 c0 c2"),
        (Close("xyz", True), "07 93 07 a3 78 79 7a c3"),
        (StreamItem("xyz", 42), "08 94 02 80 a3 78 79 7a 2a"),
        (Completion("xyz", error="Error"), "0e 95 03 80 a3 78 79 7a 01 a5 45 72 72 6f 72"),
        (Completion("xyz"), "08 94 03 80 a3 78 79 7a 02"),
        (Completion("xyz", 42), "09 95 03 80 a3 78 79 7a 03 2a"),
        (Completion("xyz", None), "09 95 03 80 a3 78 79 7a 03 c0"),
        (Invocation("method", 42), "0e 96 01 80 c0 a6 6d 65 74 68 6f 64 91 2a 90"),
    ],
)
def test_a_message_has_the_bytes_of_the_specification(message: Any, written: str) -> None:
    assert protocol.write(message).hex(" ") == written


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("02 91 06", Ping()),
        ("11 96 01 80 a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 90", Call("method", [42], "xyz")),
        ("0e 96 01 80 c0 a6 6d 65 74 68 6f 64 91 2a 90", Call("method", [42])),
        ("0d 95 01 80 c0 a6 6d 65 74 68 6f 64 91 2a", Call("method", [42])),  # without stream ids, as older clients write it
        ("11 96 04 80 a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 90", Call("method", [42], "xyz", streams=True)),
        ("12 96 01 80 a3 78 79 7a a6 6d 65 74 68 6f 64 90 91 a1 31", Call("method", [], "xyz", ["1"])),
        ("07 93 05 80 a3 78 79 7a", CancelInvocation("xyz")),
        ("08 94 02 80 a3 78 79 7a 2a", StreamItem("xyz", 42)),
        ("08 94 03 80 a3 78 79 7a 02", Completion("xyz")),
        ("09 95 03 80 a3 78 79 7a 03 2a", Completion("xyz", 42)),
        ("0a 95 03 80 a3 78 79 7a 01 a1 65", Completion("xyz", error="e")),
        ("03 92 07 c0", Close()),
        ("04 92 08 cc 24", Ack(36)),
        ("04 92 09 cc 13", Sequence(19)),
        ("0b 93 05 81 a1 78 a1 79 a3 78 79 7a", CancelInvocation("xyz")),  # headers mean nothing to us
        ("03 92 63 01", None),  # a type of the future
    ],
)
def test_what_a_client_writes_is_understood(written: str, message: Any) -> None:
    assert read(bytes.fromhex(written)) == [message]


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "00"),
        (0x7F, "7f"),
        (0x80, "80 01"),
        (0x3FFF, "ff 7f"),
        (0x4000, "80 80 01"),
        (0x1FFFFF, "ff ff 7f"),
        (0x200000, "80 80 80 01"),
        (0xFFFFFFF, "ff ff ff 7f"),
        (0x10000000, "80 80 80 80 01"),
        (0x7FFFFFFF, "ff ff ff ff 07"),
    ],
)
def test_a_length_is_written_in_groups_of_seven_bits(number: int, written: str) -> None:
    data = bytes.fromhex(written)
    assert varint(number) == data
    assert read_varint(bytearray(data)) == (number, len(data))
    assert read_varint(bytearray(data[:-1])) is None


@pytest.mark.parametrize("written", ["ff ff ff ff 08", "80 80 80 80 80", "ff ff ff ff ff 01"])
def test_a_length_of_more_than_31_bits_is_a_broken_message(written: str) -> None:
    with pytest.raises(BrokenMessage):
        read_varint(bytearray.fromhex(written))


@pytest.mark.parametrize(
    "written",
    [
        "01 c1",  # no MessagePack
        "01 91",  # an array whose item is missing
        "01 90",  # nothing in it
        "01 06",  # not an array
        "02 91 c3",  # true is not a type
        "02 91 a0",  # nor is a text
        "03 92 08 ff",  # a negative number of messages
        "03 93 05 80",  # no id
        "05 94 03 80 a1 31",  # a completion that is cut off
        "07 94 03 80 a3 78 79 7a",  # a completion without a kind
        "06 94 03 80 a1 31 09",  # a completion of a kind that is none
        "05 95 01 80 c0 a1",
        "08 95 01 80 c0 a1 61 80 90",  # arguments that are an object
        "03 92 81 90 c0",  # a list as the name of a property
        "03 92 06 c1",
    ],
)
def test_what_is_no_message_breaks(written: str) -> None:
    with pytest.raises(BrokenMessage):
        read(bytes.fromhex(written))


def test_arrays_nested_beyond_measure_break() -> None:
    nested = b"\x91" * 5000 + b"\x06"
    with pytest.raises(BrokenMessage):
        read(varint(len(nested)) + nested)


def test_several_messages_may_arrive_at_once_and_one_in_pieces() -> None:
    written = protocol.write(Ack(1)) + protocol.write(Completion("1", "x" * 300)) + protocol.write(Ping())
    buffer, messages = bytearray(), []
    for byte in written:
        buffer.append(byte)
        messages += [protocol.parse(frame) for frame in protocol.cut(buffer, LIMIT)]
    assert messages == read(written) == [Ack(1), Completion("1", "x" * 300), Ping()]
    assert not buffer


def test_a_message_over_the_limit_breaks_before_it_has_arrived() -> None:
    assert list(protocol.cut(bytearray(varint(LIMIT)), LIMIT)) == []
    with pytest.raises(BrokenMessage, match="longer than 32768 bytes"):
        list(protocol.cut(bytearray(varint(LIMIT + 1)), LIMIT))
