"""What is said to a client: at its pace, in order, and again after a cut."""

import time

import pytest

from conduit.signalr import Invocation
from conduit.signalr.wires import Wire
from tests.signalr.seat import HELLO, HELLO_AGAIN, Seat, seated


@seated
async def test_a_reader_that_stalls_is_closed_at_the_bound() -> None:
    seat = Seat(outstanding_bytes=1000)
    seat.connection.received(HELLO)
    assert seat.hears() == [{}]
    seat.gate.is_open = False
    message = Invocation("Say", "x" * 100)
    while seat.connection.is_open:
        seat.connection.send(message)
    assert seat.gate.aborted
    assert seat.connection.take(1 << 20) == b""
    await seat.ends()
    assert seat.hub is not None
    assert seat.hub.log == ["gone: The client is too slow."]


@seated
async def test_a_burst_to_a_reader_that_reads_is_no_reason_to_close_it() -> None:
    seat = Seat(outstanding_bytes=1000)
    seat.connection.received(HELLO)
    for number in range(20):
        seat.connection.send(Invocation("Say", number, "x" * 100))
    assert [one["arguments"][0] for one in seat.hears()[1:]] == list(range(20))
    assert seat.connection.is_open


@seated
async def test_a_burst_without_end_closes_even_a_reader_that_reads() -> None:
    seat = Seat(outstanding_bytes=1000)
    seat.connection.received(HELLO)
    for _ in range(100):
        seat.connection.send(Invocation("Say", "x" * 100))
    assert not seat.connection.is_open


@seated
async def test_a_stalled_reader_of_progress_is_kept_and_gets_the_newest() -> None:
    seat = Seat(outstanding_bytes=1000)
    seat.connection.received(HELLO)
    assert seat.hears() == [{}]
    seat.gate.is_open = False
    for number in range(1000):
        seat.connection.send(Invocation("Progress", number), replaces="task")
    assert [one["arguments"] for one in seat.hears()] == [[999]]


@seated
async def test_what_cannot_be_encoded_is_the_senders_error_and_leaves_nothing_behind() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    with pytest.raises(TypeError):
        seat.connection.send(Invocation("Say", object()))
    seat.connection.send(Invocation("Say", 1))
    assert seat.hears() == [{}, {"type": 1, "target": "Say", "arguments": [1]}]


@seated
async def test_a_cut_connection_sends_again_what_was_not_acknowledged_and_numbers_what_it_sends() -> None:
    seat = Seat(stateful=True)
    seat.shake_hands_again()
    for number in (1, 2, 3):
        seat.connection.send(Invocation("Say", number))
    assert len(seat.hears()) == 3
    seat.says({"type": 8, "sequenceId": 1})
    seat.connection.detach(seat.wire, final=False)
    seat.connection.send(Invocation("Say", 4))
    seat.connection.attach(Wire())
    heard = seat.hears()
    assert heard[0] == {"type": 9, "sequenceId": 2}
    assert [one["arguments"] for one in heard[1:]] == [[2], [3], [4]]


@seated
async def test_a_client_that_may_not_count_yet_is_told_nothing_that_is_counted() -> None:
    seat = Seat(stateful=True)
    seat.connection.received(HELLO_AGAIN)
    seat.connection.send(Invocation("Say", 1))
    assert seat.hears() == [{}]
    seat.connection.check(time.monotonic() + 1)
    assert [one["arguments"] for one in seat.hears()] == [[1]]


@seated
async def test_progress_that_was_replaced_takes_no_number() -> None:
    seat = Seat(stateful=True)
    seat.shake_hands_again()
    for number in (1, 2, 3):
        seat.connection.send(Invocation("Progress", number), replaces="task")
    assert len(seat.hears()) == 1
    seat.connection.detach(seat.wire, final=False)
    seat.connection.attach(Wire())
    assert [one.get("sequenceId", one.get("arguments")) for one in seat.hears()] == [1, [3]]


@seated
async def test_a_full_buffer_waits_for_an_acknowledgement() -> None:
    seat = Seat(stateful=True, stateful_buffer_bytes=100)
    seat.shake_hands_again()
    for number in range(3):
        seat.connection.send(Invocation("Say", number, "x" * 100))
    assert [one["arguments"][0] for one in seat.hears()] == [0]
    seat.says({"type": 8, "sequenceId": 1})
    assert [one["arguments"][0] for one in seat.hears()] == [1]


@seated
async def test_a_close_comes_after_all_that_was_sent_and_nothing_after_it() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    seat.connection.send(Invocation("Say", 1))
    seat.connection.close("Bye", reconnect=True)
    seat.connection.send(Invocation("Say", 2))
    assert [one.get("type") for one in seat.hears()] == [None, 1, 7]
    assert seat.connection.is_over
