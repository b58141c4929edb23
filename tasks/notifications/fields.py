"""What calls say of webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from conduit.api.errors import InvalidRequest
from conduit.api.fields import FlagField, NamedField, OneOfField, StrictSerializer, TextField
from conduit.api.pagination import parse_row_id
from keys.models import Team, VirtualKey
from tasks.notifications import event_types
from tasks.notifications.models import NAME_CHARACTERS, TaskTarget
from tasks.notifications.sending import fault_of_url


class UrlField(TextField):
    """An address that we may call, as far as that is known without looking its name up."""

    def schema(self) -> dict[str, Any]:
        return super().schema() | {"format": "uri"}

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data).strip()
        if fault := fault_of_url(url):
            raise self.refuse(fault)
        return url


class EventTypesField(NamedField):
    """One or several types of events, each once."""

    def __init__(self, known: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = known

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(self.known)}}

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not data or not all(isinstance(name, str) for name in data):
            raise self.refuse("must be a list of one or more event types")
        for name in data:
            if name not in self.known:
                shown = name[:60].encode("utf-8", "backslashreplace").decode()
                raise self.refuse(f"holds `{shown}`, which is not one of {', '.join(self.known)}")
        return [name for name in self.known if name in data]


@dataclass(frozen=True)
class TaskWebhook:
    """Where the webhooks of one task go, and which."""

    url: str
    event_types: tuple[str, ...]

    def target(self, *, task_id: UUID, key_id: int) -> TaskTarget:
        """The row of it, to be written in the transaction that makes the task."""
        progress = event_types.PROGRESS in self.event_types
        return TaskTarget(task_id=task_id, key_id=key_id, url=self.url, event_types=list(self.event_types), wants_progress=progress)


class TaskEventTypesField(EventTypesField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(event_types.ABOUT_TASKS, **kwargs)


def webhook_of(found: Mapping[str, Any], *, unless_said: Sequence[str] = event_types.OF_A_TASK_UNLESS_SAID) -> TaskWebhook | None:
    """What a call says by `webhook_url` and `webhook_events`; without the second all of the task's own types but its progress, or those
    that the call's face has.

    Raises:
        InvalidRequest: the second is there alone.
    """
    url, types = found.get("webhook_url"), found.get("webhook_events")
    if url is None:
        if types is not None:
            raise InvalidRequest("`webhook_events` says what is sent to `webhook_url`, which is missing.", param="webhook_events")
        return None
    return TaskWebhook(url, tuple(types or unless_said))


class NameField(TextField):
    def schema(self) -> dict[str, Any]:
        return super().schema() | {"maxLength": NAME_CHARACTERS}

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data).strip()
        if len(name) > NAME_CHARACTERS:
            raise self.refuse(f"may have at most {NAME_CHARACTERS} characters")
        return name


class EndpointFields(StrictSerializer):
    name = NameField()
    url = UrlField()


class EndpointChangeFields(StrictSerializer):
    name = NameField(required=False)
    url = UrlField(required=False)
    enabled = FlagField(required=False)


def new_endpoint(data: Any, *, is_place: bool) -> dict[str, Any]:
    """The fields of an endpoint that is to be made.

    Raises:
        ValidationError: naming the first parameter at fault.
    """
    serializer = EndpointFields()
    serializer.fields["event_types"] = EventTypesField(event_types.for_owner(is_place=is_place))
    return dict(serializer.run_validation(data))


def endpoint_change(data: Any, *, is_place: bool) -> dict[str, Any]:
    """Those fields of an endpoint that are to be changed, `enabled` among them; raises as before."""
    serializer = EndpointChangeFields()
    serializer.fields["event_types"] = EventTypesField(event_types.for_owner(is_place=is_place), required=False)
    return dict(serializer.run_validation(data))


class RotationFields(StrictSerializer):
    keep_old_secret_active_for_24_hours = FlagField(default=False)


def keeps_old_secret(data: Any) -> bool:
    return bool(RotationFields().run_validation(data)["keep_old_secret_active_for_24_hours"])


def tested_type(data: Any, *, is_place: bool) -> str:
    """The type that a test sends."""

    class Test(StrictSerializer):
        event_type = OneOfField(event_types.for_owner(is_place=is_place))

    return str(Test().run_validation(data)["event_type"])


def owner_of(data: Any) -> tuple[dict[str, Any], Any]:
    """Whose a new endpoint shall be, by the body's `key` or `team` (neither: the whole place's), and the body without them.

    Raises:
        InvalidRequest: there is none of that id, or both are named.
    """
    if not isinstance(data, dict):
        return {}, data
    rest = {name: value for name, value in data.items() if name not in ("key", "team")}
    named = {name: data[name] for name in ("key", "team") if data.get(name) is not None}
    if len(named) > 1:
        raise InvalidRequest("`key` and `team` exclude each other: an endpoint has one owner.", param="team")
    return {name: _row(name, value) for name, value in named.items()}, rest


def _row(name: str, value: Any) -> VirtualKey | Team:
    rows: QuerySet[Any] = VirtualKey.objects.filter(deleted_at=None) if name == "key" else Team.objects.all()
    number = None if isinstance(value, bool) or not isinstance(value, int | str) else parse_row_id(str(value))
    row: VirtualKey | Team | None = rows.filter(pk=number).first() if number is not None else None
    if row is None:
        raise InvalidRequest(f"`{name}` must be the id of a {name}.", param=name)
    return row
