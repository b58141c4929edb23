"""Who has something to tell. A room registers its source when its app is ready; this room imports none of those above it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tasks.notifications.models import Message


@dataclass(frozen=True)
class Happening:
    """Something that happened, as the rows say that it happened in."""

    types: Sequence[str]  # all that it is called: an endpoint of several gets a message of each
    at: datetime
    source_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    key_id: int | None = None
    team_id: int | None = None
    task_id: UUID | None = None
    traceparent: str = ""  # the W3C trace that it belongs to
    once: str = ""  # what happens but once under this name, however often it is noticed


@dataclass(frozen=True)
class Source:
    name: str
    # What happened and was not told yet, the oldest first and so many at most. It is called in a transaction that it may write in: what
    # it gives it does not give again.
    take: Callable[[int], Sequence[Happening]]
    # What each of these messages is about, by their ids, as the rows are now. One of which nothing is left is not among them.
    data_of: Callable[[Sequence[Message], datetime], Mapping[str, dict[str, Any]]]
    # What a test of that type is about; None: it is no type of this source.
    sample: Callable[[str], dict[str, Any] | None] = lambda type: None
    # What it gives is no mark in a row but found by looking: once in so many seconds is enough.
    seconds: float = 0.0


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    _sources[source.name] = source


def registered() -> list[Source]:
    return list(_sources.values())


def data_of(messages: Sequence[Message], now: datetime) -> dict[str, dict[str, Any]]:
    """What each message is about, by its id; those of which nothing is left are missing."""
    data: dict[str, dict[str, Any]] = {}
    for source in _sources.values():
        if own := [message for message in messages if message.source == source.name and not message.is_test]:
            data |= source.data_of(own, now)
    return data | {message.id: message.facts for message in messages if message.is_test}


def sample(type: str) -> dict[str, Any]:
    """What a test of that type is about."""
    found = (source.sample(type) for source in _sources.values())
    return next((data for data in found if data is not None), {})
