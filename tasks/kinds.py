"""Kinds of task. An app that makes something registers its kind here; this room never imports that app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.models import Task
    from tasks.notices import Notice


@dataclass(frozen=True)
class Kind:
    """How tasks of one kind are shown, driven and settled."""

    name: str  # what the API shows as `type`
    job: str  # the Celery function that does a step: (task_id, lane, claim)
    related: tuple[str, ...]  # joins that `show` needs, from the task
    show: Callable[[Task, datetime], dict[str, Any]]  # the public fields that only this kind has
    owed_when_cancelled: Callable[[Task], Decimal]  # USD of the price that is due although the task was cancelled
    hub_event: Callable[[Notice], tuple[str, dict[str, Any]] | None]  # its name and object for hub clients; None: they are not told
    job_after_cancel: str  # the Celery function that then tells others, (task_id); a hint like any other
    waits: Mapping[str, str]  # what the API says that a task waits for, by its stage; it waits for nothing in others


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind


def kind_of(task: Task) -> Kind:
    return _kinds[task.kind]


def hub_event(notice: Notice) -> tuple[str, dict[str, Any]] | None:
    """What hub clients are told of a task's notice."""
    return _kinds[notice.task["type"]].hub_event(notice) if notice.task else None


def job_of(kind: str) -> str:
    return _kinds[kind].job


def job_after_cancel(kind: str) -> str:
    return _kinds[kind].job_after_cancel


def waiting_for(kind: str, stage: str) -> str | None:
    """What a task of that kind waits for while it stands at that stage, in the contract's word; None: nothing."""
    return _kinds[kind].waits.get(stage)


def related() -> list[str]:
    """The joins with which any task can be shown in one query."""
    return [join for kind in _kinds.values() for join in kind.related]
