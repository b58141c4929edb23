"""Clients that mean harm, or are merely slow: what they cost is bounded, and they hear what they are told."""

from contextlib import suppress

import pytest

from tests.realtime.raw import frame, stalled
from tests.support.raw_http import UPGRADE

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

# A handshake with the hub; a plain socket takes it for nonsense.
HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
TEXT, CLOSE, PING = 1, 8, 9


@pytest.mark.parametrize("path", ["/ws/tasks", "/hubs/video-generation"])
def test_pings_of_a_reader_that_takes_no_answer_cost_no_memory(measured, consumer, closing, path):
    web, held = measured
    reader = closing(stalled(web, path, consumer.secret, *UPGRADE))
    reader.sendall(frame(TEXT, HANDSHAKE))
    before = held()

    reader.settimeout(3)
    with suppress(TimeoutError, ConnectionResetError):  # it is read no faster than others can bear, or cut off
        for _ in range(20):
            reader.sendall(frame(PING, b"x" * 125) * 8000)

    # 20 MB of answers.
    assert held().peak - before.bytes < 5_000_000


@pytest.mark.parametrize("path", ["/ws/tasks", "/hubs/video-generation"])
def test_whoever_pings_more_often_than_may_is_closed_with_the_reason(web, consumer, closing, path):
    reader = closing(stalled(web, path, consumer.secret, *UPGRADE))
    reader.sendall(frame(TEXT, HANDSHAKE))
    reader.sendall(frame(PING, b"x") * 150)
    reader.settimeout(60)
    told = b""
    with suppress(ConnectionResetError):
        while piece := reader.recv(65536):
            told += piece
    assert (1008).to_bytes(2, "big") + b"More pings came than may: the rate limit is 10 a second." in told


def test_a_client_that_answers_a_close_late_is_not_reset(web, consumer, closing):
    reader = closing(stalled(web, "/ws/tasks/00000000-0000-7000-8000-000000000000", consumer.secret, *UPGRADE))
    reader.settimeout(60)
    told = b""
    while bytes([0x80 | CLOSE]) not in told:
        told += reader.recv(4096)
    reader.settimeout(2)  # twice as long as the server's library would wait by itself
    with pytest.raises(TimeoutError):
        reader.recv(4096)

    reader.sendall(frame(CLOSE, b""))

    assert reader.recv(4096) == b""
