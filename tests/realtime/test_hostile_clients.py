"""Clients that mean harm: what they cost is bounded, and nobody else notices."""

import struct

import pytest

from tests.realtime.test_bounds import UPGRADE, closing, resident_bytes, stalled  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


# A handshake with the hub; a plain socket takes it for nonsense.
HANDSHAKE = b'{"protocol":"json","version":1}\x1e'


def frame(opcode, payload):
    """A client's WebSocket frame, with a mask of zeros."""
    return struct.pack("!BB4x", 0x80 | opcode, 0x80 | len(payload)) + payload


@pytest.mark.parametrize("path", ["/ws/tasks", "/hubs/video-generation"])
def test_pings_of_a_reader_that_takes_no_answer_cost_no_memory(start_web, consumer, closing, path):  # noqa: F811
    web = start_web()
    reader = closing(stalled(web, path, consumer.secret, *UPGRADE))
    reader.sendall(frame(1, HANDSHAKE))
    before = resident_bytes(web.pid)

    for _ in range(40):
        reader.sendall(frame(9, b"x" * 125) * 8000)

    assert resident_bytes(web.pid) - before < 15e6
