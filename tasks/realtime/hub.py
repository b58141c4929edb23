"""The SignalR hub of tasks: connecting is enough to be told of every task of the key.

What the events are called and hold is said by each kind of task (tasks.kinds).
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.db import OperationalError

from conduit import clock
from conduit.api.errors import ApiError, Overloaded, classify, envelope
from conduit.metrics import note
from conduit.signalr import Connection, Hub, HubException, Invocation, Refused, hub_method
from tasks import history, kinds
from tasks.ids import parse_task_id
from tasks.models import Task
from tasks.notices import Notice
from tasks.presentation import show
from tasks.realtime.connections import Caller, position_in
from tasks.realtime.feeds import Draining, feeds
from tasks.realtime.metrics import HUB, OPENED, RESUMED

UNKNOWN_TASK = "This key has no task of that id."
NO_EVENT_ID = "`lastEventId` must be the `eventId` of an event of this key."


class TaskHub(Hub):
    """One client: a subscriber of its key's feed."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.caller: Caller = connection.user
        self.wanted: set[str] | None = self.caller.wanted

    async def on_connected(self) -> None:
        note(OPENED, HUB)
        try:
            await feeds().subscribe(self, snapshots=False)
        except Exception as error:  # noqa: BLE001 - classify knows what each means, and logs what nobody foresaw
            self._give_up(classify(error))

    async def on_disconnected(self, error: Exception | None) -> None:
        feeds().unsubscribe(self)

    def _give_up(self, error: ApiError) -> None:
        """A connection that is told nothing must not stay open. Only what passes by itself is worth coming back for."""
        if isinstance(error, Draining):
            self.connection.come_again()
        else:
            self.connection.close(error.message, reconnect=isinstance(error, Overloaded))

    # ---- What clients invoke

    @hub_method("SubscribeToTask")
    async def subscribe_to_task(self, task_id: object) -> dict[str, Any]:
        """The task as it is now. From now on only tasks that were subscribed to are told of."""
        wanted, before = _task_id(task_id), self.wanted
        if before is not None:  # before the task is read: what happens in between is told
            self.wanted = before | {str(wanted)}
        try:
            task = await self._task(wanted)
        except BaseException:
            self.wanted = before
            raise
        self.wanted = (before or set()) | {str(wanted)}
        return camel_case(show(task, clock.now()))

    @hub_method("UnsubscribeFromTask")
    async def unsubscribe_from_task(self, task_id: object) -> None:
        """After the last one, every task is told of again."""
        task = await self._task(_task_id(task_id))
        self.wanted = ((self.wanted or set()) - {str(task.pk)}) or self.caller.wanted

    @hub_method("Resume")
    async def resume(self, last_event_id: object) -> None:
        """Tell what came after that event, in order; then go on."""
        try:
            after = position_in(str(last_event_id))
        except ApiError as error:
            raise HubException(NO_EVENT_ID) from error
        if after is None:
            raise HubException(NO_EVENT_ID)
        note(RESUMED, HUB)
        try:
            await feeds().subscribe(self, after=after, snapshots=False)
        except Exception as error:
            known = classify(error)
            self._give_up(known)
            raise HubException(known.message) from error

    async def _task(self, task_id: UUID) -> Task:
        if not self.caller.sees(task_id):
            raise HubException(UNKNOWN_TASK)
        try:
            found = await feeds().in_thread(partial(history.snapshot_of_task, self.caller.key_id, task_id))
        except OperationalError as error:
            raise HubException(classify(error).message) from error
        if found is None:
            raise HubException(UNKNOWN_TASK)
        return found[1]

    # ---- A subscriber

    def tell(self, notice: Notice) -> None:
        if invocation := notice.rendered(invocation_of):
            self.connection.send(invocation, replaces=notice.task_id if notice.is_coalesced else None)

    async def drained(self) -> None:
        await self.connection.drained()

    def end(self, error: ApiError | None) -> None:
        self.connection.close(error.message if error else None, reconnect=error is None)


def _task_id(sent: object) -> UUID:
    if isinstance(sent, str) and (task_id := parse_task_id(sent)):
        return task_id
    raise HubException(UNKNOWN_TASK)


def invocation_of(notice: Notice) -> Invocation | None:
    if notice.type == "resync":
        return Invocation("Resync", {"eventId": notice.event_id})
    event = kinds.hub_event(notice)
    return Invocation(*event) if event else None


def camel_case(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The REST fields as hub clients know them. What the client itself named in `metadata` keeps its names."""
    return {_camel(name): _inner(name, value) for name, value in shown.items()}


def _inner(name: str, value: Any) -> Any:
    return camel_case(value) if isinstance(value, dict) and name != "metadata" else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


async def authenticate(scope: Mapping[str, Any]) -> Caller:
    """The caller that connects.

    Raises:
        Refused: with the API's envelope.
    """
    try:
        return await feeds().admit(scope)
    except Exception as error:
        raise _refused(classify(error)) from error


def _refused(error: ApiError) -> Refused:
    headers = [(b"content-type", b"application/json")]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return Refused(error.status, json.dumps(envelope(error)).encode(), headers)
