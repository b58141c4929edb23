"""The life of a video from its request to its end, step by step: a pure function of what is stored of it.

A moment that was not stored is said to be unknown, and never guessed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tasks.models import DEADLINE_EXCEEDED, Status, Task, TaskEvent
from videos.exchange_models import Exchange
from videos.models import Clip, ClipState
from videos.stages import Stage

# A pause between two steps that is worth a line of its own.
WORTH_A_LINE = timedelta(seconds=1)
_FETCHED = frozenset({ClipState.STORED, ClipState.READY})


class State(StrEnum):
    DONE = "done"
    RUNNING = "running"
    STOPPED = "stopped"  # the task ended within it
    UNKNOWN = "unknown"  # it was done; when is not known
    MOMENT = "moment"  # it has no length


class Calls(NamedTuple):
    """How often MiniMax was called so for a clip."""

    clip_number: int | None
    call: str
    times: int
    errors: int


@dataclass(frozen=True)
class LifePart:
    """A part of the life. `exchange` is the call to MiniMax that it was, where it is still kept."""

    name: str
    began: datetime | None
    ended: datetime | None
    state: State
    words: str = ""
    exchange: Exchange | None = None

    def seconds(self, now: datetime) -> float | None:
        """How long it took, or has taken until `now`; None where that is not known or means nothing."""
        if self.began is None or self.state in (State.UNKNOWN, State.MOMENT):
            return None
        return max(0.0, ((self.ended or now) - self.began).total_seconds())


@dataclass(frozen=True)
class Told:
    """What the life is read off, beside the task itself with its video. Exchanges are newest first."""

    clips: Sequence[Clip]
    events: Sequence[TaskEvent]
    exchanges: Sequence[Exchange]
    calls: Sequence[Calls]

    @property
    def names(self) -> dict[int, str]:
        """What people call each clip, by its number."""
        return names_of([clip.makes for clip in self.clips])


def names_of(makes: Sequence[str]) -> dict[int, str]:
    """By number, from what each makes: a first image is no clip to readers, who count clips of the video."""
    images = sum(made == Clip.Makes.IMAGE for made in makes[:1])
    return {number: f"Clip {number - images + 1}" if made != Clip.Makes.IMAGE else "First image" for number, made in enumerate(makes)}


def life(task: Task, told: Told) -> list[LifePart]:
    """The steps in their order. Of one that goes on `ended` is None."""
    return [step for step in (*_steps(task, told), *_end(task), *_events(told.events)) if step]


def _steps(task: Task, told: Told) -> Iterator[LifePart | None]:
    sent = [clip.sent_at for clip in told.clips if clip.sent_at]
    yield _step(task, "Queued", task.created_at, min(sent, default=None))
    free_at: datetime | None = None  # when the clip before was ready
    for clip in told.clips:
        if free_at and (clip.sent_at is None or clip.sent_at - free_at > WORTH_A_LINE):
            yield _step(task, f"{told.names[clip.number]} waits to be ordered", free_at, clip.sent_at)
        yield from _of_clip(task, clip, told)
        free_at = clip.ready_at
    if told.clips and all(clip.state == ClipState.READY for clip in told.clips):
        yield from _of_files(task, free_at)


def _of_clip(task: Task, clip: Clip, told: Told) -> Iterator[LifePart | None]:
    name, at_minimax = told.names[clip.number], clip.submitted_at
    if clip.taken_from_id:
        # Its own times at MiniMax are those of the task that ordered it.
        at_minimax = clip.sent_at
        yield LifePart(
            f"{name} taken over", clip.sent_at, clip.sent_at, State.MOMENT, "from the task that this one retries: not ordered again"
        )
    else:
        create = _newest(told.exchanges, clip.number, "create", "image")
        yield _step(task, f"{name} ordered", clip.sent_at, clip.submitted_at, _ordered_words(task, clip, told.calls, create), create)
    if clip.makes == Clip.Makes.VIDEO and not (clip.taken_from_id and clip.state in _FETCHED):
        yield _step(task, f"{name} at MiniMax", at_minimax, clip.made_at, _asked_words(clip, told))
    if clip.state in _FETCHED and clip.fetched_at is None:
        if not clip.taken_from_id:
            yield LifePart(f"{name} fetched and looked into", clip.made_at, None, State.UNKNOWN, "how long it took was not kept")
        return
    fetch = _newest(told.exchanges, clip.number, "download")
    yield _step(task, f"{name} fetched", clip.made_at, clip.fetched_at, _count(told.calls, clip, "download", "download"), fetch)
    if clip.makes == Clip.Makes.VIDEO:
        yield _step(task, f"{name} looked into", clip.fetched_at, clip.ready_at)


def _of_files(task: Task, ready_at: datetime | None) -> Iterator[LifePart | None]:
    video = task.video
    if video.assembling_at is None:
        if task.status == Status.COMPLETED:
            yield LifePart("Assembled and stored", None, task.ended_at, State.UNKNOWN, "how long it took was not kept")
        elif ready_at:
            yield _step(task, "Assembled", ready_at, None)
        return
    if ready_at and video.assembling_at - ready_at > WORTH_A_LINE:
        yield _step(task, "Waits to be assembled", ready_at, video.assembling_at)
    yield _step(task, "Assembled", video.assembling_at, video.assembled_at)
    yield _step(task, "Stored", video.assembled_at, task.ended_at)


def _end(task: Task) -> Iterator[LifePart]:
    match task.status:
        case Status.FAILED:
            yield LifePart("Failed", task.ended_at, task.ended_at, State.MOMENT, task.error)
        case Status.CANCELLED:
            words = "its deadline had come" if task.error_code == DEADLINE_EXCEEDED else ""
            yield LifePart("Cancelled", task.ended_at, task.ended_at, State.MOMENT, words)


def _events(events: Sequence[TaskEvent]) -> Iterator[LifePart]:
    """Events are told as they are stored; which streams were open then is not kept."""
    if events:
        last = events[-1]
        words = ", ".join(f"{event.status} (event {event.position})" for event in events)
        yield LifePart(
            "Told", last.created_at, last.created_at, State.MOMENT, f"{words}: to streams that listen, and to others when they come back"
        )
    else:
        yield LifePart("Told", None, None, State.UNKNOWN, "its events are no longer kept")


def _step(
    task: Task, name: str, began: datetime | None, ended: datetime | None, words: str = "", exchange: Exchange | None = None
) -> LifePart | None:
    """None for what was not reached."""
    if began is None:
        return None
    if ended:
        return LifePart(name, began, ended, State.DONE, words, exchange)
    state = State.RUNNING if task.is_active else State.STOPPED
    return LifePart(name, began, task.ended_at, state, words, exchange)


def _ordered_words(task: Task, clip: Clip, calls: Sequence[Calls], create: Exchange | None) -> str:
    if clip.sent_at and clip.state in (ClipState.SUBMITTING, ClipState.PLANNED):
        if create and create.is_error and create.http is not None:
            return "refused"
        if clip.state == ClipState.PLANNED:
            return "MiniMax did not take it"
        if task.stage == Stage.RECONCILING:
            return "its answer was lost: whether MiniMax took it is being found out"
        return "its answer is awaited" if task.is_active else "whether MiniMax took the order is not known"
    return _count(calls, clip, "create", "order") or _count(calls, clip, "image", "order")


def _asked_words(clip: Clip, told: Told) -> str:
    asked = _count(told.calls, clip, "query", "question")
    newest = _newest(told.exchanges, clip.number, "query")
    if newest is None:
        return asked or "what was asked is no longer kept"
    return f"{asked}, the newest answered “{newest.status or newest.message or newest.http or 'nothing'}”"


def _count(calls: Sequence[Calls], clip: Clip, call: str, word: str) -> str:
    found = [each for each in calls if (each.clip_number, each.call) == (clip.number, call)]
    count, errors = sum(each.times for each in found), sum(each.errors for each in found)
    if not count:
        return ""
    return _plural(count, word) + (f", {_plural(errors, 'error')}" if errors else "")


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _newest(exchanges: Sequence[Exchange], clip_number: int, *calls: str) -> Exchange | None:
    return next((each for each in exchanges if each.clip_number == clip_number and each.call in calls), None)
