"""What one connection does with what it hears and what it is told to send, without a network."""

import asyncio
import json
import time
from typing import Any

import pytest

from conduit.signalr import HubException
from conduit.signalr import connection as connections
from conduit.signalr.wires import Transport
from tests.signalr.seat import HELLO, NOTES, Seat, seated


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


@pytest.mark.parametrize("breath", [1.0, -1.0], ids=["read in one go", "read one by one"])
def test_a_stream_whose_cancellation_is_read_as_it_begins_is_completed(breath: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_IN_A_ROW_SECONDS", breath)

    @seated
    async def case() -> None:
        seat = Seat()
        seat.connection.received(HELLO)
        seat.says({"type": 1, "invocationId": "0", "target": "Note", "arguments": ["first"]})
        while len(seat.hears()) < 1:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)  # nothing is under way any more
        seat.says({"type": 4, "invocationId": "1", "target": "Forever", "arguments": []}, {"type": 5, "invocationId": "1"})
        heard: list[dict[str, Any]] = []
        for _ in range(200):
            heard += seat.hears()
            await asyncio.sleep(0)
        assert {"type": 3, "invocationId": "1"} in heard
        await seat.ends()

    case()


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


@pytest.mark.parametrize("said", ["a call", "a ping, and then nothing", "nothing"])
def test_over_server_sent_events_a_close_waits_until_the_client_has_started(said: str) -> None:
    """Microsoft's for JavaScript, told to close between its handshake's answer and that of its first ping, never tells its application."""

    @seated
    async def case() -> None:
        seat = Seat(transport=Transport.SERVER_SENT_EVENTS)
        seat.connection.received(HELLO)
        seat.connection.fail(HubException("not today"))
        assert seat.connection.is_open  # its ping is to be answered
        if said != "nothing":
            seat.connection.received(b'{"type":6}\x1e')
        seat.connection.check(time.monotonic())
        assert seat.hears() == [{}]
        if said == "a call":
            seat.says({"type": 1, "target": "Note", "arguments": ["late"]})
        else:
            seat.connection.check(time.monotonic() + 2)
        assert seat.hears() == [{"type": 7, "error": "Connection closed with an error. HubException: not today"}]
        assert not seat.connection.is_open
        await seat.ends()
        assert seat.hub is not None
        assert seat.hub.log == ["gone: not today"]

    case()


def test_a_client_whose_hub_failed_as_it_connected_invokes_nothing_that_it_had_sent_with_its_handshake() -> None:
    @seated
    async def case() -> None:
        seat = Seat(transport=Transport.SERVER_SENT_EVENTS)
        seat.fails = True
        seat.connection.received(HELLO + b"".join(json.dumps(note).encode() + b"\x1e" for note in NOTES))
        for _ in range(50):
            await asyncio.sleep(0)
        assert seat.hears() == [{}]
        assert seat.hub is not None
        assert seat.hub.log == []
        seat.connection.check(time.monotonic() + 1)
        assert [one["type"] for one in seat.hears()] == [7]
        await seat.ends()
        assert seat.hub.log == ["gone: it failed"]

    case()
