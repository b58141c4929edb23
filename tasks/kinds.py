"""Kinds of task. An app that makes something registers its kind here; this room never imports that app."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from tasks import joins

if TYPE_CHECKING:
    from django.db.models import Model

    from conduit.statements import Steps
    from keys.models import VirtualKey
    from tasks.models import Status, Task
    from tasks.notices import Notice
    from tasks.requests import RetryRequest


class Retry(Protocol):
    def __call__(self, *, key: VirtualKey, original: Task, own: RetryRequest, first: Callable[[Task], Steps[None]] | None) -> Task:
        """A new task for what a failed one asked for, with what is its own; `first` is done in its transaction before anything else.

        Raises:
            ApiError: it is refused, and nothing was written.
        """


@dataclass(frozen=True)
class Column:
    """Where a kind keeps something of a task, in a row of its own with the task's id."""

    table: str
    task: str  # the column with the task's id, which is the table's primary key
    name: str

    @classmethod
    def of(cls, model: type[Model], name: str) -> Column:
        return cls(model._meta.db_table, str(model._meta.pk.column), str(model._meta.get_field(name).column))  # type: ignore[union-attr]


@dataclass(frozen=True)
class Kind:
    """How tasks of one kind are shown, driven and settled."""

    name: str  # what the API shows as `type`
    job: str  # the Celery function that does a step: (task_id, lane, claim)
    related: tuple[str, ...]  # joins that `show` needs, from the task
    show: Callable[[Task, datetime], dict[str, Any]]  # the public fields that only this kind has
    shown: Mapping[str, tuple[str, ...]]  # the columns that `show` reads, by the join
    clock_of_ended: Callable[[datetime], Hashable]  # what of the clock `show` reads for tasks that ended: equal while it shows the same
    owed_when_cancelled: Callable[[Task], Decimal]  # USD of the price that is due although the task was cancelled
    owed_of_many: Callable[[Sequence[Task]], dict[UUID, Decimal]]  # the same of each of these, if they were cancelled now
    hub_event: Callable[[Notice], tuple[str, dict[str, Any]] | None]  # its name and object for hub clients; None: they are not told
    also_told_as: Callable[[Status, str], Sequence[str]]  # what webhooks call an event of that status and error code beside `task.…`
    job_after_cancel: str  # the Celery function that then tells others, (task_id); a hint like any other
    waits: Mapping[str, str]  # what the API says that a task waits for, by its stage; it waits for nothing in others
    retry: Retry
    related_for_operators: tuple[str, ...]  # what `show_to_operators` needs prefetched, from the task
    show_to_operators: Callable[[Task], dict[str, Any]]  # the fields of this kind that only those who run the place see
    details_for_operators: Callable[[Task], dict[str, Any]]  # more of that, for one task at a time: it may ask the database
    with_provider_id: Callable[[str], list[UUID]]  # the tasks for which the provider gave that id, a few at most
    delete_media: Callable[[Task], bool]  # what was made and what was asked for, of one that ended; False: it was deleted before
    work: str  # what its spans are called
    stories_of_ended: Callable[[Sequence[Task]], Mapping[UUID, dict[str, Any]]]  # what the log tells of each of these, which have ended
    searched: Mapping[str, Column]  # what operators search by: `prompt`, `size`, `seconds`


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind
    joins.register(kind.name, kind.related, for_operators=kind.related_for_operators)


def kind_of(task: Task) -> Kind:
    return _kinds[task.kind]


def hub_event(notice: Notice) -> tuple[str, dict[str, Any]] | None:
    """What hub clients are told of a task's notice."""
    return _kinds[notice.task["type"]].hub_event(notice) if notice.task else None


def job_of(kind: str) -> str:
    return _kinds[kind].job


def job_after_cancel(kind: str) -> str:
    return _kinds[kind].job_after_cancel


def waiting_for(kind: str, stage: str, in_line_for: str = "") -> str | None:
    """What a task waits for at that stage, or in the line that it stands in, in the contract's word; None: nothing."""
    return in_line_for or _kinds[kind].waits.get(stage)


def with_provider_id(text: str) -> list[UUID]:
    """The tasks of any kind for which a provider gave that id."""
    return [task_id for kind in _kinds.values() for task_id in kind.with_provider_id(text)]


def owed_when_cancelled(tasks: Sequence[Task]) -> dict[UUID, Decimal]:
    """USD that each of these would cost if it was cancelled now, in a query for each kind."""
    owed: dict[UUID, Decimal] = {}
    for name, kind in _kinds.items():
        if of_kind := [task for task in tasks if task.kind == name]:
            owed |= kind.owed_of_many(of_kind)
    return owed


def stories_of_ended(tasks: Sequence[Task]) -> dict[UUID, dict[str, Any]]:
    """What the log tells of these tasks, as their kinds say."""
    told: dict[UUID, dict[str, Any]] = {}
    for name, kind in _kinds.items():
        if of_kind := [task for task in tasks if task.kind == name]:
            told |= kind.stories_of_ended(of_kind)
    return told


def searched(name: str) -> list[Column]:
    """Where the kinds keep what operators search by under that name."""
    return [kind.searched[name] for kind in _kinds.values() if name in kind.searched]


def shown() -> dict[str, tuple[str, ...]]:
    """The joins with which any task can be shown, and of each the columns that showing reads."""
    return {join: kind.shown[join] for kind in _kinds.values() for join in kind.related}
