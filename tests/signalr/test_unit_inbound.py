"""What a client says: how much of it is read, how fast, and when not."""

import asyncio
import time

import pytest

from conduit.signalr import connection
from tests.signalr.seat import HELLO, NOTES, Seat, seated


@seated
async def test_of_who_does_not_wait_for_answers_only_so_much_is_read_and_all_in_the_end() -> None:
    seat = Seat(pending_invocations=3)
    seat.connection.received(HELLO)
    seat.says(*NOTES)
    assert seat.connection.is_stopped
    assert seat.connection.unread > 390 * 50
    answered: list[str] = []
    while len(answered) < 400:
        answered += [one["invocationId"] for one in await seat.hears_soon() if one]
    assert answered == [str(number) for number in range(400)]
    assert not seat.connection.is_stopped


@seated
async def test_a_client_is_not_silent_while_it_is_not_read_nor_just_after() -> None:
    seat = Seat(pending_invocations=1, client_timeout=30, disconnect=1000)
    seat.connection.received(HELLO)
    seat.says({"type": 6}, *NOTES[:3])
    assert seat.connection.is_stopped
    seat.connection.check(time.monotonic() + 31)
    assert seat.connection.is_open
    while seat.connection.is_stopped:
        await asyncio.sleep(0)
    seat.connection.check(time.monotonic() + 29)
    assert seat.connection.is_open


@seated
async def test_a_socket_is_not_read_while_much_of_it_waits() -> None:
    seat = Seat(pending_invocations=1)
    seat.connection.received(HELLO)
    seat.says(*NOTES[:5])
    seat.wire.hold_back(seat.connection)
    assert seat.gate.is_reading
    seat.says(*NOTES)
    seat.wire.hold_back(seat.connection)
    assert not seat.gate.is_reading
    while seat.connection.is_stopped:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seat.gate.is_reading


PING = {"type": 6}


@seated
async def test_who_says_too_much_is_closed_with_the_reason_and_what_still_comes_is_not_read() -> None:
    seat = Seat(messages_per_second=0.001, messages_burst=10)
    seat.connection.received(HELLO)  # one
    seat.says(*[PING] * 9)
    assert seat.connection.is_open
    seat.says(PING)
    assert seat.hears()[-1] == {
        "type": 7,
        "error": "Connection closed with an error. More messages came than may: the limit is 0.001 a second.",
    }
    assert seat.connection.has_flooded


@seated
async def test_who_pings_too_often_is_closed_with_the_reason() -> None:
    seat = Seat(pings_per_second=0.001, pings_burst=3)
    seat.connection.received(HELLO)
    seat.says(*[PING] * 3)
    assert seat.connection.is_open
    seat.says(PING)
    assert seat.hears()[-1]["error"].endswith("More pings came than may: the limit is 0.001 a second.")
    assert seat.connection.has_flooded


def test_many_messages_in_one_frame_let_others_have_their_turn_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_IN_A_ROW_SECONDS", 0.002)

    @seated
    async def case() -> None:
        seat = Seat(messages_burst=100_000, pings_burst=100_000)
        seat.connection.received(HELLO)
        seat.says(*[PING] * 10_000, NOTES[0])
        turns = 0
        while seat.connection.unread:
            turns += 1
            await asyncio.sleep(0)
        assert turns > 3
        assert seat.hears() == [{}]
        assert [one["invocationId"] for one in await seat.hears_soon()] == ["0"]

    case()


@seated
async def test_a_piece_that_brings_no_message_counts_as_one() -> None:
    seat = Seat(messages_per_second=0.001, messages_burst=10)
    seat.connection.received(HELLO)
    for _ in range(10):
        seat.connection.received(b"")
    assert not seat.connection.is_open


@seated
async def test_what_is_not_read_is_not_counted() -> None:
    seat = Seat(pending_invocations=2, messages_per_second=0.001, messages_burst=10)
    seat.connection.received(HELLO)
    seat.says(*NOTES[:300])
    assert seat.connection.is_open
    assert seat.connection.is_stopped


@seated
async def test_an_owners_bound_ends_those_that_say_most_of_it() -> None:
    loud, quiet = Seat(messages_burst=10), Seat(messages_burst=100)
    for seat in (loud, quiet):
        seat.connection.received(HELLO)
        seat.connection._inbound._allows = lambda: False  # the owner has used all of it
        seat.says(PING)
    assert not loud.connection.is_open
    assert quiet.connection.is_open
