"""Who changed what: an audit row in the transaction of every change that a person or a program makes."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models

from keys.models import AuditEntry

# Who changes something at the command line: its user has the machine, and no name here.
COMMAND_LINE = "command line"
_TEXT_MAX = 1000


def record(*, who: str, action: str, target: models.Model, **changes: Any) -> None:
    """Write the row. `changes` are names and values as they are now, or pairs of before and after; never a secret."""
    AuditEntry.objects.create(who=who or COMMAND_LINE, action=action, target=target_of(target), changes=_plain(changes))


def target_of(row: models.Model) -> str:
    """How a row is named in the audit, such as `key:12`."""
    return f"{_NAMES.get(row._meta.model_name or '', row._meta.model_name)}:{row.pk}"


_NAMES = {"virtualkey": "key", "managementkey": "management_key"}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case Decimal():
            return f"{value:.4f}"
        case datetime():
            return value.isoformat()
        case models.Model():
            return str(value)
        case None | bool() | int():
            return value
    return str(value)[:_TEXT_MAX]
