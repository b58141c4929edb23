"""The life of a video as it is told, from what is stored of it and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.models import Status, Task, TaskEvent
from videos.exchange_models import Exchange
from videos.life import Calls, State, Told, life
from videos.models import Clip, ClipState, Video

BEGAN = datetime(2026, 11, 29, 14, 1, 22, tzinfo=UTC)


def at(seconds):
    return None if seconds is None else BEGAN + timedelta(seconds=seconds)


def task_of(status=Status.PROCESSING, ended=None, **of_video):
    task = Task(status=status, created_at=BEGAN, ended_at=at(ended), error="It failed." if status == Status.FAILED else "")
    task.video = Video(task=task, **{name: at(value) for name, value in of_video.items()})
    return task


def clip(number=0, state=ClipState.READY, *, sent=None, submitted=None, made=None, fetched=None, ready=None, **fields):
    moments = {"sent_at": sent, "submitted_at": submitted, "made_at": made, "fetched_at": fetched, "ready_at": ready}
    return Clip(number=number, state=state, **{name: at(value) for name, value in moments.items()}, **fields)


def told(*clips, exchanges=(), calls=(), events=()):
    return Told(clips, events, exchanges, calls)


def lines(task, of, now=100.0):
    """Each step as (name, seconds, state), without what ends every life."""
    return [(step.name, step.seconds(at(now)), str(step.state)) for step in life(task, of) if step.name != "Told"]


def test_a_life_from_its_request_to_the_stored_file():
    task = task_of(Status.COMPLETED, ended=20, assembling_at=16, assembled_at=19)

    assert lines(task, told(clip(sent=0.5, submitted=1, made=10, fetched=12, ready=14))) == [
        ("Queued", 0.5, "done"),
        ("Clip 1 ordered", 0.5, "done"),
        ("Clip 1 at MiniMax", 9.0, "done"),
        ("Clip 1 fetched", 2.0, "done"),
        ("Clip 1 looked into", 2.0, "done"),
        ("Waits to be assembled", 2.0, "done"),
        ("Assembled", 3.0, "done"),
        ("Stored", 1.0, "done"),
    ]


def test_a_chain_says_when_its_next_clip_waits():
    first = clip(sent=0, submitted=1, made=10, fetched=11, ready=12)

    assert lines(task_of(), told(first, clip(1, ClipState.PLANNED)))[-1] == ("Clip 2 waits to be ordered", 88.0, "running")
    assert ("Clip 2 waits to be ordered", 8.0, "done") in lines(task_of(), told(first, clip(1, ClipState.SUBMITTED, sent=20, submitted=21)))
    at_once = lines(task_of(), told(first, clip(1, ClipState.SUBMITTED, sent=12.2, submitted=13)))
    assert [name for name, *_ in at_once] == [
        "Queued", "Clip 1 ordered", "Clip 1 at MiniMax", "Clip 1 fetched", "Clip 1 looked into", "Clip 2 ordered", "Clip 2 at MiniMax",
    ]  # fmt: skip


def test_what_goes_on_has_no_end_and_what_comes_later_is_not_told():
    assert lines(task_of(), told(clip(state=ClipState.SUBMITTED, sent=1, submitted=2))) == [
        ("Queued", 1.0, "done"),
        ("Clip 1 ordered", 1.0, "done"),
        ("Clip 1 at MiniMax", 98.0, "running"),
    ]
    assert lines(task_of(Status.QUEUED), told()) == [("Queued", 100.0, "running")]


@pytest.mark.parametrize(("status", "name"), [(Status.FAILED, "Failed"), (Status.CANCELLED, "Cancelled")])
def test_what_a_task_ended_within_ends_with_it(status, name):
    of = told(clip(state=ClipState.SUBMITTED, sent=1, submitted=2))

    assert lines(task_of(status, ended=50), of)[-2:] == [("Clip 1 at MiniMax", 48.0, "stopped"), (name, None, "moment")]


def test_moments_that_were_not_kept_are_not_known():
    """Of videos that were made before these moments were stored."""
    of = told(clip(sent=1, submitted=2, made=10))

    assert lines(task_of(Status.COMPLETED, ended=20), of)[-2:] == [
        ("Clip 1 fetched and looked into", None, "unknown"),
        ("Assembled and stored", None, "unknown"),
    ]


def test_a_clip_that_was_taken_over_was_not_ordered_again():
    taken = clip(sent=1, submitted=-500, made=1, taken_from_id=7)

    assert lines(task_of(), told(taken)) == [("Queued", 1.0, "done"), ("Clip 1 taken over", None, "moment")]
    at_work = clip(state=ClipState.SUBMITTED, sent=1, submitted=-500, taken_from_id=7)
    assert lines(task_of(), told(at_work))[-1] == ("Clip 1 at MiniMax", 99.0, "running")


def test_a_first_image_is_ordered_and_fetched():
    image = clip(makes=Clip.Makes.IMAGE, sent=1, submitted=3, made=3, fetched=4, ready=4)

    assert [name for name, *_ in lines(task_of(), told(image, clip(1, ClipState.PLANNED)))][:4] == [
        "Queued", "First image ordered", "First image fetched", "Clip 1 waits to be ordered",
    ]  # fmt: skip


def test_what_was_said_to_minimax_is_counted():
    order = Exchange(clip_number=0, call="create", http=200, code=0, trace_id="0417")
    question = Exchange(clip_number=0, call="query", status="processing")
    of = told(
        clip(state=ClipState.SUBMITTED, sent=1, submitted=2),
        exchanges=[question, order],
        calls=[Calls(0, "create", 2, 1), Calls(0, "query", 9, 1), Calls(1, "query", 5, 0)],
    )

    ordered, asked = life(task_of(), of)[1:3]

    assert (ordered.words, ordered.exchange) == ("2 orders, 1 error", order)
    assert asked.words == "9 questions, 1 error, the newest answered “processing”"


@pytest.mark.parametrize(
    ("exchange", "status", "words"),
    [
        (None, Status.PROCESSING, "its answer is awaited"),
        (None, Status.FAILED, "whether MiniMax took the order is not known"),
        (Exchange(clip_number=0, call="create", http=200, code=1026, is_error=True), Status.FAILED, "refused"),
    ],
)
def test_an_order_without_a_job_says_what_is_known_of_it(exchange, status, words):
    of = told(clip(state=ClipState.SUBMITTING, sent=1), exchanges=[exchange] if exchange else [])

    assert life(task_of(status, ended=5 if status == Status.FAILED else None), of)[1].words == words


def test_events_are_told_until_they_are_forgotten():
    events = [TaskEvent(status=status, position=number, created_at=at(number)) for number, status in enumerate(("queued", "failed"), 40)]

    assert life(task_of(), told(events=events))[-1].words.startswith("queued (event 40), failed (event 41): ")
    assert life(task_of(), told())[-1].state == State.UNKNOWN
