"""What one connection does with what it hears and what it is told to send, without a network."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from conduit.signalr import Connection, Hub, HubException, Invocation, Options, hub_method
from conduit.signalr.wires import Transport, Wire

HELLO = b'{"protocol":"json","version":1}\x1e'
HELLO_AGAIN = b'{"protocol":"json","version":2}\x1e'


class SwitchedGate:
    """A reader that stops and goes on as the test says."""

    def __init__(self) -> None:
        self.is_open = self.is_reading = True
        self.aborted = False

    async def wait_open(self) -> None:
        while not self.is_open:
            await asyncio.sleep(0)

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class Desk(Hub):
    async def on_connected(self) -> None:
        self.log: list[str] = []

    async def on_disconnected(self, error: Exception | None) -> None:
        self.log.append(f"gone: {error}")

    @hub_method
    async def note(self, text: str) -> list[str]:
        await asyncio.sleep(0)
        self.log.append(text)
        return self.log

    @hub_method
    async def refuse(self) -> None:
        raise HubException("not today")

    @hub_method
    async def total(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    @hub_method
    async def forever(self) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            self.log.append("ended")


class Seat:
    """A connection and its client."""

    def __init__(self, *, stateful: bool = False, transport: Transport = Transport.WEB_SOCKETS, **options: Any) -> None:
        self.hub: Desk | None = None
        self.forgotten = 0
        self.gate = SwitchedGate()
        self.wire = Wire(self.gate)
        self.connection = Connection(
            "1",
            user=None,
            scope={},
            transport=transport,
            stateful=stateful,
            options=Options(**options),
            make_hub=self._make_hub,
            gone=self._gone,
        )
        self.connection.attach(self.wire)

    def _make_hub(self, connection: Connection) -> Hub:
        self.hub = Desk(connection)
        return self.hub

    async def _gone(self, connection: Connection) -> None:
        self.forgotten += 1

    def says(self, *messages: dict[str, Any]) -> None:
        self.connection.received(b"".join(json.dumps(message).encode() + b"\x1e" for message in messages))

    def hears(self) -> list[dict[str, Any]]:
        data = b"".join(iter(lambda: self.connection.take(1 << 20), b""))
        return [json.loads(one) for one in data.split(b"\x1e") if one]

    def shake_hands_again(self) -> None:
        """As Microsoft's client does it for stateful reconnect: it pings when it is ready to count."""
        self.connection.received(HELLO_AGAIN)
        assert self.hears() == [{}]
        self.says({"type": 6})

    async def ends(self) -> None:
        """The connection is over, and the hub was told."""
        self.connection.end()
        while not self.forgotten:
            await asyncio.sleep(0)

    async def hears_soon(self) -> list[dict[str, Any]]:
        while not (heard := self.hears()):
            await asyncio.sleep(0)
        return heard


def seated(case: Callable[..., Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def within_a_loop() -> None:
            async with asyncio.timeout(10):
                await case()

        asyncio.run(within_a_loop())

    run.__name__ = case.__name__
    return run


@seated
async def test_invocations_are_answered_in_their_order() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    seat.says(*[{"type": 1, "invocationId": text, "target": "Note", "arguments": [text]} for text in "abc"])
    heard = await seat.hears_soon()
    while len(heard) < 4:
        heard += await seat.hears_soon()
    assert heard[0] == {}
    assert [(one["invocationId"], one["result"]) for one in heard[1:]] == [("a", ["a"]), ("b", ["a", "b"]), ("c", ["a", "b", "c"])]


@seated
async def test_a_hubs_exception_is_told_and_no_reply_is_sent_to_who_wants_none() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    assert seat.hears() == [{}]
    seat.says({"type": 1, "target": "Refuse", "arguments": []}, {"type": 1, "invocationId": "2", "target": "Refuse", "arguments": []})
    assert await seat.hears_soon() == [
        {"type": 3, "invocationId": "2", "error": "An unexpected error occurred invoking 'Refuse' on the server. HubException: not today"}
    ]


@seated
async def test_a_stream_from_the_client_that_has_ended_before_its_method_begins_is_read_whole() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    assert seat.hears() == [{}]
    items = [{"type": 2, "invocationId": "up", "item": number} for number in (1, 2, 3)]
    call = {"type": 1, "invocationId": "1", "target": "Total", "arguments": [], "streamIds": ["up"]}
    seat.says(call, *items, {"type": 3, "invocationId": "up"})
    assert await seat.hears_soon() == [{"type": 3, "invocationId": "1", "result": 6}]


@seated
async def test_a_stream_that_is_cancelled_in_the_same_breath_begins_and_is_completed() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    stream = {"type": 4, "invocationId": "1", "target": "Forever", "arguments": []}
    seat.says(stream, {"type": 5, "invocationId": "unknown"}, {"type": 5, "invocationId": "1"})
    heard: list[dict[str, Any]] = []
    while {"type": 3, "invocationId": "1"} not in heard:
        heard += await seat.hears_soon()
    assert heard == [{}, {"type": 2, "invocationId": "1", "item": 1}, {"type": 3, "invocationId": "1"}]
    assert seat.hub is not None
    assert seat.hub.log == ["ended"]


@seated
async def test_a_stream_that_runs_is_completed_when_it_is_cancelled() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    seat.says({"type": 4, "invocationId": "1", "target": "Forever", "arguments": []})
    item, completion = {"type": 2, "invocationId": "1", "item": 1}, {"type": 3, "invocationId": "1"}
    while item not in await seat.hears_soon():
        pass
    seat.says({"type": 5, "invocationId": "1"})
    while (heard := await seat.hears_soon())[-1] != completion:
        assert heard[-1] == item
    assert seat.hub is not None
    assert seat.hub.log == ["ended"]


@seated
async def test_streams_end_with_their_connection_and_the_hub_is_told_once() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    seat.says({"type": 4, "invocationId": "1", "target": "Forever", "arguments": []})
    while {"type": 2, "invocationId": "1", "item": 1} not in seat.hears():
        await asyncio.sleep(0)
    seat.connection.detach(seat.wire, final=True)
    await seat.ends()
    await seat.ends()
    assert seat.hub is not None
    assert seat.hub.log == ["ended", "gone: None"]
    assert seat.forgotten == 1


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


NOTES = [{"type": 1, "invocationId": str(number), "target": "Note", "arguments": [str(number)]} for number in range(400)]


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
async def test_many_messages_in_one_frame_let_others_have_their_turn_in_between() -> None:
    seat = Seat(messages_burst=100_000)
    seat.connection.received(HELLO)
    seat.says(*[PING] * 10_000, NOTES[0])
    turns = 0
    while seat.connection.unread:
        turns += 1
        await asyncio.sleep(0)
    assert turns > 3
    assert seat.hears() == [{}]
    assert [one["invocationId"] for one in await seat.hears_soon()] == ["0"]


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


@seated
async def test_a_clients_close_is_answered_by_one_after_what_it_invoked_before() -> None:
    seat = Seat()
    seat.connection.received(HELLO)
    seat.says(NOTES[0], {"type": 7}, NOTES[1])
    heard: list[dict[str, Any]] = []
    while {"type": 7} not in heard:
        heard += await seat.hears_soon()
    assert heard == [{}, {"type": 3, "invocationId": "0", "result": ["0"]}, {"type": 7}]
    assert seat.connection.is_over


@seated
async def test_who_leaves_in_the_middle_of_a_message_left_by_an_error() -> None:
    seat = Seat()
    seat.connection.received(HELLO + b'{"type":1,"target":"No')
    seat.connection.detach(seat.wire, final=True)
    while not seat.forgotten:
        await asyncio.sleep(0)
    assert seat.hub is not None
    assert seat.hub.log == ["gone: Connection terminated while reading a message."]


@seated
async def test_an_error_is_told_in_detail_only_where_that_was_asked_for() -> None:
    told = []
    for in_detail in (False, True):
        seat = Seat(detailed_errors=in_detail)
        seat.connection.received(HELLO)
        seat.says({"type": 1, "invocationId": "1", "target": "Total", "arguments": [1], "streamIds": ["a"]})
        await seat.hears_soon()
        while not (heard := seat.hears()):
            await asyncio.sleep(0)
        told.append(heard[0]["error"])
    plain = "Failed to invoke 'Total' due to an error on the server."
    assert told == [plain, f"{plain} Unfit: 1 arguments were given, and 0 are expected."]
