"""What waits for a client: its order, what replaces what, and the numbers of stateful reconnect."""

import asyncio

import pytest

from conduit.signalr.messages import Ack, Call, Completion, Ping, Sequence
from conduit.signalr.protocols import BrokenMessage
from conduit.signalr.replay import Replay
from conduit.streams.outbox import Outbox
from conduit.streams.rates import Rate, Rates


def all_of(outbox: Outbox[bytes]) -> list[bytes]:
    return [outbox.take() for _ in range(len(outbox))]


def test_messages_are_taken_in_their_order() -> None:
    outbox = Outbox[bytes]()
    for data in (b"1", b"22", b"1"):
        outbox.put(data)
    assert outbox.bytes == 4
    assert all_of(outbox) == [b"1", b"22", b"1"]
    assert (outbox.bytes, len(outbox)) == (0, 0)


def test_of_messages_that_replace_each_other_only_the_newest_is_kept_and_it_comes_last() -> None:
    outbox = Outbox[bytes]()
    outbox.put(b"10%", replaces="task")
    outbox.put(b"started")
    outbox.put(b"5%", replaces="another")
    outbox.put(b"100 %", replaces="task")
    assert outbox.bytes == len(b"started" + b"5%" + b"100 %")
    assert all_of(outbox) == [b"started", b"5%", b"100 %"]


def test_a_message_that_was_taken_is_not_replaced() -> None:
    outbox = Outbox[bytes]()
    outbox.put(b"10%", replaces="task")
    assert outbox.take() == b"10%"
    outbox.put(b"20%", replaces="task")
    assert all_of(outbox) == [b"20%"]


def test_a_slow_reader_of_progress_costs_one_message_however_long_it_sleeps() -> None:
    outbox = Outbox[bytes]()
    for number in range(10_000):
        outbox.put(b"%05d" % number, replaces="task")
    assert (len(outbox), outbox.bytes) == (1, 5)


def test_what_reached_nobody_comes_first_again() -> None:
    outbox = Outbox[bytes]()
    outbox.put(b"3")
    outbox.put_back(b"12")
    assert outbox.bytes == 3
    assert all_of(outbox) == [b"12", b"3"]


async def _wait_for(outbox: Outbox[bytes]) -> list[str]:
    told = []
    outbox.put(b"1")
    outbox.put(b"2")
    waiting = asyncio.create_task(outbox.drained())
    for _ in range(2):
        await asyncio.sleep(0)
        told.append(f"{len(outbox)} left, drained: {waiting.done()}")
        outbox.take()
    await waiting
    return told


def test_who_sends_much_waits_until_all_was_taken() -> None:
    outbox = Outbox[bytes]()
    assert asyncio.run(_wait_for(outbox)) == ["2 left, drained: False", "1 left, drained: False"]


def test_numbers_begin_at_one_and_what_was_acknowledged_is_forgotten() -> None:
    replay = Replay(100)
    assert replay.again() == (1, [])
    for data in (b"a", b"b", b"c"):
        replay.sent(data)
    assert replay.again() == (1, [b"a", b"b", b"c"])
    replay.acknowledged(2)
    assert replay.again() == (3, [b"c"])
    replay.acknowledged(3)
    assert replay.again() == (4, [])


@pytest.mark.parametrize("number", [0, 1])
def test_an_old_acknowledgement_forgets_nothing_more(number: int) -> None:
    replay = Replay(100)
    for data in (b"a", b"b"):
        replay.sent(data)
    replay.acknowledged(1)
    replay.acknowledged(number)
    assert replay.again() == (2, [b"b"])


def test_an_acknowledgement_of_what_was_never_sent_forgets_no_more_than_there_is() -> None:
    replay = Replay(100)
    replay.sent(b"a")
    replay.acknowledged(99)
    assert replay.again() == (2, [])


def test_the_buffer_is_full_at_its_bound_and_has_room_after_an_acknowledgement() -> None:
    replay = Replay(4)
    replay.sent(b"aaa")
    assert not replay.is_full
    replay.sent(b"b")
    assert replay.is_full
    replay.acknowledged(1)
    assert not replay.is_full


def call() -> Call:
    return Call("Add", [1])


def test_received_messages_are_counted_and_acknowledged_once() -> None:
    replay = Replay(100)
    assert replay.due_ack() is None
    assert all(replay.is_new(message) for message in (call(), Ping(), Completion("1"), Ack(1)))
    assert replay.due_ack() == 2
    assert replay.due_ack() is None


def test_what_a_client_sends_twice_is_handled_once_and_acknowledged_again() -> None:
    replay = Replay(100)
    assert [replay.is_new(call()) for _ in range(3)] == [True] * 3
    assert replay.due_ack() == 3
    replay.cut()
    assert not replay.is_new(call())  # sent before its Sequence: what it is cannot be known
    sequence = Sequence(2)
    assert replay.is_new(sequence)
    replay.resume(sequence)
    assert [replay.is_new(call()) for _ in range(3)] == [False, False, True]
    assert replay.due_ack() == 4


def test_a_duplicate_alone_is_acknowledged_again() -> None:
    replay = Replay(100)
    assert replay.is_new(call())
    assert replay.due_ack() == 1
    replay.cut()
    replay.resume(Sequence(1))
    assert not replay.is_new(call())
    assert replay.due_ack() == 1


def test_a_sequence_that_skips_messages_is_broken() -> None:
    replay = Replay(100)
    assert replay.is_new(call())
    replay.cut()
    replay.resume(Sequence(2))
    with pytest.raises(BrokenMessage, match="Sequence ID greater"):
        replay.resume(Sequence(3))


def test_a_rate_allows_its_burst_and_no_more() -> None:
    rate = Rate(0.001)
    assert [rate.allows() for _ in range(3)] == [True, False, False]
    assert not rate.is_rested
    burst = Rate(50)
    assert all(burst.allows() for _ in range(50))


def test_each_name_has_a_rate_of_its_own() -> None:
    rates = Rates(0.001)
    assert [rates.allows(name) for name in ("ann", "ann", "bob")] == [True, False, True]
