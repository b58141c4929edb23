"""From what happened to deliveries for everybody who asked to be told."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction

from tasks.notifications import locks
from tasks.notifications.models import TARGET_CHARACTERS, Delivery, Endpoint, Message, TaskTarget
from tasks.notifications.sources import Happening, Source, registered

# What one transaction tells of each source at most.
BATCH = 500

_ENDPOINTS, _TASK_TARGETS = Endpoint._meta.db_table, TaskTarget._meta.db_table
_WANTED = f"""
(EXISTS (SELECT 1 FROM {_ENDPOINTS} e WHERE e.wants_tasks AND e.disabled_at IS NULL AND (e.key_id = %s OR e.team_id = %s
OR (e.key_id IS NULL AND e.team_id IS NULL))) OR EXISTS (SELECT 1 FROM {_TASK_TARGETS} t WHERE t.task_id = %s))
"""  # noqa: S608 - our own tables


def wanted(*, key_id: int, team_id: int | None, task_id: UUID) -> tuple[str, list[Any]]:
    """SQL, with its values, that says whether anybody is to be told of an event of that task: a part of the statement that writes it."""
    return _WANTED, [key_id, team_id, task_id]


def target_of(target: TaskTarget) -> str:
    """What all webhooks of that key's tasks at that host share."""
    return f"key {target.key_id} {urlsplit(target.url).netloc.lower()}"[:TARGET_CHARACTERS]


@dataclass(frozen=True)
class _Receiver:
    target: str
    event_types: frozenset[str]
    endpoint: Endpoint | None = None


class FanOut:
    """Tells what happened. One process does it at a time, so that what a task lived through is told in order."""

    def __init__(self) -> None:
        self._looked_at: dict[str, float] = {}

    def __call__(self) -> int:
        """Tell what happened since: how many deliveries that made."""
        return sum(_fan_out(source) for source in registered() if self._is_due(source))

    def _is_due(self, source: Source) -> bool:
        now = time.monotonic()
        if source.seconds and now - self._looked_at.get(source.name, -source.seconds) < source.seconds:
            return False
        self._looked_at[source.name] = now
        return True


def _fan_out(source: Source) -> int:
    with transaction.atomic():
        if not locks.taken(locks.FAN_OUT):
            return 0
        return tell(source.name, source.take(BATCH))


def tell(source: str, happened: Sequence[Happening]) -> int:
    """Write the messages and deliveries, and give how many. Belongs inside the transaction that takes note that they were told."""
    if not happened:
        return 0
    receivers = _Receivers(happened)
    messages: list[Message] = []
    deliveries: list[Delivery] = []
    for event in happened:
        for type in event.types:
            told = [receiver for receiver in receivers.of(event) if type in receiver.event_types]
            if not told:
                continue
            message = _message(source, type, event)
            messages.append(message)
            deliveries += [
                Delivery(message=message, endpoint=receiver.endpoint, target=receiver.target, task_id=event.task_id) for receiver in told
            ]
    return _write(messages, deliveries)


def _message(source: str, type: str, event: Happening) -> Message:
    return Message(
        type=type,
        source=source,
        source_id=event.source_id,
        facts=dict(event.facts),
        key_id=event.key_id,
        team_id=event.team_id,
        task_id=event.task_id,
        traceparent=event.traceparent,
        once=f"{type} {event.once}" if event.once else None,
        happened_at=event.at,
    )


def _write(messages: Sequence[Message], deliveries: Iterable[Delivery]) -> int:
    named = [message.once for message in messages if message.once]
    known = set(Message.objects.filter(once__in=named).values_list("once", flat=True)) if named else set()
    new = {message.id for message in messages if message.once not in known}
    Message.objects.bulk_create([message for message in messages if message.id in new])
    return len(Delivery.objects.bulk_create([delivery for delivery in deliveries if delivery.message_id in new]))


class _Receivers:
    """Who may be told of any of these, read in two queries."""

    def __init__(self, happened: Sequence[Happening]) -> None:
        keys = {event.key_id for event in happened if event.key_id is not None}
        teams = {event.team_id for event in happened if event.team_id is not None}
        tasks = {event.task_id for event in happened if event.task_id is not None}
        self._endpoints = list(Endpoint.objects.told_of(keys, teams).order_by("pk"))
        self._of_tasks: Mapping[UUID, TaskTarget] = (
            TaskTarget.objects.filter(gone_at=None, key__deleted_at=None).in_bulk(tasks) if tasks else {}
        )

    def of(self, event: Happening) -> list[_Receiver]:
        """Those whose event it is, and who were there when it happened."""
        found = [
            _Receiver(endpoint.public_id, frozenset(endpoint.event_types), endpoint)
            for endpoint in self._endpoints
            if _owns(endpoint, event) and endpoint.created_at <= event.at
        ]
        own = self._of_tasks.get(event.task_id) if event.task_id else None
        return [*found, _Receiver(target_of(own), frozenset(own.event_types))] if own else found


def _owns(endpoint: Endpoint, event: Happening) -> bool:
    if endpoint.key_id is not None:
        return endpoint.key_id == event.key_id
    return endpoint.team_id is None or endpoint.team_id == event.team_id
