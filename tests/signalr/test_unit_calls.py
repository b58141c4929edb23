"""What a connection's invocations may take, and what becomes of them when something ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from conduit.signalr import Connection, Hub, Invocation, Options, hub_method
from conduit.signalr.wires import Transport, Wire
from tests.signalr.seat import HELLO, HELLO_AGAIN, Seat, seated


class Door(Hub):
    """Does what the test lets it do."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.opens = asyncio.Event()
        self.entered = 0
        self.done: list[str] = []
        self.refuses = connection.user == "refused"

    async def on_connected(self) -> None:
        if self.refuses:
            raise RuntimeError("no entry")

    async def on_disconnected(self, error: Exception | None) -> None:
        self.done.append("told")

    @hub_method
    async def enter(self, name: str) -> str:
        self.entered += 1
        await self.opens.wait()
        self.done.append(name)
        return name

    @hub_method
    async def ask_somebody_who_gives_up(self) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer.cancel()
        await answer

    @hub_method
    async def total(self, numbers: AsyncIterator[Any]) -> int:
        await self.opens.wait()
        return len([number async for number in numbers])


class DoorSeat(Seat):
    """A client of the door."""

    def __init__(self, *, user: str = "", stateful: bool = False, **options: Any) -> None:
        self.doors: list[Door] = []
        self.forgotten = 0
        self.wire = Wire()
        self.connection = Connection(
            "1",
            user=user,
            scope={},
            transport=Transport.WEB_SOCKETS,
            stateful=stateful,
            options=Options(**options),
            make_hub=self._door,
            gone=self._gone,
        )
        self.connection.attach(self.wire)

    def _door(self, connection: Connection) -> Hub:
        self.doors.append(Door(connection))
        return self.doors[-1]

    @property
    def door(self) -> Door:
        return self.doors[0]

    async def hears_type(self, wanted: int) -> dict[str, Any]:
        while True:
            for message in await self.hears_soon():
                if message.get("type") == wanted:
                    return message


def _call(target: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    return {"type": 1, "target": target, "arguments": list(arguments), **more}


@seated
async def test_nothing_is_invoked_for_a_client_that_the_hub_refused() -> None:
    seat = DoorSeat(user="refused")
    seat.connection.received(HELLO)
    seat.door.opens.set()
    seat.says(_call("Enter", "early", invocationId="1"))
    assert (await seat.hears_type(7))["error"] == "Connection closed with an error."
    await seat.ends()
    assert seat.door.done == ["told"]


@seated
async def test_a_client_with_stateful_reconnect_hears_at_once_why_the_hub_refused_it() -> None:
    seat = DoorSeat(user="refused", stateful=True)
    seat.connection.received(HELLO_AGAIN)
    while seat.connection.is_open:
        await asyncio.sleep(0)
    seat.says({"type": 6})
    assert [message.get("type") for message in seat.hears()] == [None, 7]


@seated
async def test_a_close_does_not_wait_for_acknowledgements() -> None:
    seat = DoorSeat(stateful=True, stateful_buffer_bytes=100)
    seat.connection.received(HELLO_AGAIN)
    seat.says({"type": 6})
    for number in range(3):
        seat.connection.send(Invocation("Say", number, "x" * 100))
    assert [message.get("type") for message in seat.hears()] == [None, 1]
    seat.connection.close(reconnect=True)
    assert [message.get("type") for message in seat.hears()] == [1, 1, 7]


@seated
async def test_a_method_whose_work_was_cancelled_is_answered_and_the_next_ones_run() -> None:
    seat = DoorSeat()
    seat.connection.received(HELLO)
    seat.door.opens.set()
    seat.says(_call("AskSomebodyWhoGivesUp", invocationId="1"), _call("Enter", "next", invocationId="2"))
    answers: dict[str, Any] = {}
    while len(answers) < 2:
        answers |= {message["invocationId"]: message for message in await seat.hears_soon() if "invocationId" in message}
    assert answers["1"]["error"] == "An unexpected error occurred invoking 'AskSomebodyWhoGivesUp' on the server."
    assert answers["2"]["result"] == "next"


@seated
async def test_what_a_client_invoked_before_it_left_is_still_done() -> None:
    seat = DoorSeat()
    seat.connection.received(HELLO)
    seat.says(_call("Enter", "first"), _call("Enter", "second"), {"type": 7})
    seat.connection.end()
    seat.door.opens.set()
    await seat.ends()
    assert seat.door.done == ["first", "second", "told"]


@seated
async def test_what_a_client_invoked_before_it_left_is_not_waited_for_without_end() -> None:
    seat = DoorSeat(closing=0.01)
    seat.connection.received(HELLO)
    seat.says(_call("Enter", "first"))
    await seat.ends()
    assert seat.door.done == ["told"]


@seated
async def test_a_method_that_reads_a_stream_of_a_client_that_left_ends() -> None:
    seat = DoorSeat(closing=60)
    seat.connection.received(HELLO)
    seat.door.opens.set()
    seat.says(_call("Total", invocationId="1", streamIds=["a"]))
    await asyncio.wait_for(seat.ends(), 30)


ONE_ITEM = {"type": 2, "invocationId": "a", "item": "x" * 1000}


@pytest.mark.parametrize(
    "messages",
    [
        [_call("Enter", "x" * 1000)] * 40,
        [_call("Total", streamIds=["a"])] + [ONE_ITEM] * 40,
        [_call("Total", streamIds=["a"])] + [{"type": 3, "invocationId": "a"}] * 400,
        [_call("Enter", "short")] * 60,
    ],
    ids=["invocations", "items", "ends", "many-invocations"],
)
def test_while_too_much_waits_for_methods_nothing_is_read_and_then_it_goes_on(messages: list[dict[str, Any]]) -> None:
    @seated
    async def case() -> None:
        seat = DoorSeat(pending_bytes=3000, pending_invocations=5)
        seat.connection.received(HELLO)
        seat.says(*messages, _call("Enter", "last", invocationId="1"))
        assert seat.connection.is_stopped
        seat.door.opens.set()
        assert (await seat.hears_type(3))["result"] == "last"
        assert not seat.connection.is_stopped
        await seat.ends()

    case()


@pytest.mark.parametrize(
    "messages",
    [
        [_call("Total", streamIds=["a"]), _call("Total", streamIds=["a"])],
        [_call("Total", streamIds=["a", "a"])],
    ],
    ids=["an-id-twice", "an-id-twice-in-one-call"],
)
def test_two_streams_cannot_have_one_id(messages: list[dict[str, Any]]) -> None:
    @seated
    async def case() -> None:
        seat = DoorSeat()
        seat.connection.received(HELLO)
        seat.says(*messages)
        assert (await seat.hears_type(7))["error"] == "Connection closed with an error. A stream's id is already in use."
        seat.door.opens.set()
        await seat.ends()

    case()


@seated
async def test_more_streams_than_may_run_at_once_are_answered_with_an_error() -> None:
    seat = DoorSeat(streams=3)
    seat.connection.received(HELLO)
    seat.says(*[_call("Total", invocationId=str(number), streamIds=[str(number)]) for number in range(4)])
    answer = await seat.hears_type(3)
    assert answer == {"type": 3, "invocationId": "3", "error": "'Total' was not invoked: the limit is 3 streams at once."}
    seat.door.opens.set()
    await seat.ends()


@seated
async def test_a_method_that_waits_for_its_clients_stream_keeps_nobody_waiting() -> None:
    seat = DoorSeat()
    seat.connection.received(HELLO)
    seat.door.opens.set()
    seat.says(_call("Total", invocationId="1", streamIds=["a"]), _call("Enter", "second", invocationId="2"))
    assert (await seat.hears_type(3))["result"] == "second"
    seat.says(ONE_ITEM, {"type": 3, "invocationId": "a"})
    assert (await seat.hears_type(3))["result"] == 1


@seated
async def test_plain_methods_run_one_after_the_other() -> None:
    seat = DoorSeat()
    seat.connection.received(HELLO)
    seat.says(_call("Enter", "first"), _call("Enter", "second"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert seat.door.entered == 1
    seat.door.opens.set()
    await seat.ends()
    assert seat.door.done == ["first", "second", "told"]


@pytest.mark.parametrize("target", ["Total", "Unknown"])
def test_what_was_taken_no_longer_counts(target: str) -> None:
    @seated
    async def case() -> None:
        seat = DoorSeat(pending_bytes=3000, pending_invocations=5)
        seat.connection.received(HELLO)
        seat.door.opens.set()
        for number in range(20):
            seat.says(_call(target, invocationId=str(number), streamIds=["a"]), ONE_ITEM, {"type": 3, "invocationId": "a"})
            await seat.hears_type(3)
        assert seat.connection.is_open
        await seat.ends()

    case()
