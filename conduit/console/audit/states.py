"""What a row holds, as the audit tells it: before, after, and what differs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import models

from keys import audit

# Names of rows that go with one that is deleted, or hang on it, at most.
_NAMES_MAX = 100
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class State:
    """Values of a row by field. Those of secrets are compared here and told to nobody."""

    shown: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict)


def state_of(row: models.Model) -> State:
    """What people may set of it: no id, and nothing that only the code writes."""
    state = State()
    for column in row._meta.concrete_fields:
        if column.editable and not column.primary_key:
            values = state.secrets if audit.is_secret(column.name) else state.shown
            values[column.name] = _to_the_second(getattr(row, column.name))
    for column in row._meta.many_to_many:
        state.shown[column.name] = _names(getattr(row, column.name).all())
    return state


def locked_state(model: type[models.Model], pk: Any) -> State | None:
    """As it stands in the database, where nobody else changes it before this transaction ends; None when it is not there."""
    row = model._base_manager.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
    return state_of(row) if row else None


def present_state(row: models.Model) -> State:
    """As it stands in the database by now."""
    found = type(row)._base_manager.filter(pk=row.pk).first()
    return state_of(found) if found else State()


def values_of(state: State) -> dict[str, Any]:
    """What a new row says, without what is empty."""
    return {name: value for name, value in state.shown.items() if value not in _EMPTY}


def differences(before: State, after: State) -> dict[str, Any]:
    """[before, after] of each field that differs."""
    names = before.shown | after.shown
    pairs = {name: [before.shown.get(name), after.shown.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def what_hangs_on(row: models.Model) -> dict[str, Any]:
    """Names of what is deleted with the row, and of what loses it, such as the members of a group."""
    found = {}
    for relation in row._meta.related_objects:
        name = relation.get_accessor_name()
        cascades = relation.one_to_many and relation.on_delete is models.CASCADE
        if name and relation.related_model is not LogEntry and (cascades or relation.many_to_many):
            found[name] = _names(getattr(row, name).all()[:_NAMES_MAX])
    return {name: names for name, names in found.items() if names}


def _to_the_second(value: Any) -> Any:
    """As forms have it: a moment that goes through one comes back without its fraction, which nobody meant to change."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _names(rows: Iterable[models.Model]) -> list[str]:
    return sorted(map(str, rows))
