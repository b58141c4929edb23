"""Who changed what: an audit row in the transaction of every change that a person or a program makes.

Who it was and from where is read off the request that is being answered, or off the management command that runs.
"""

import os
import pwd
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from conduit.api.callers import request_at_hand
from conduit.api.network import client_address
from keys.models import AuditEntry, ManagementKey

# Who changes something with neither a request nor a command of ours around it: Python itself has the machine.
COMMAND_LINE = "command line"
# The person or program that sends the request that is being answered, or runs the command.
WHOEVER = ""
# Who tries to log in, or is kept from it.
NOBODY = "not logged in"
_TEXT_MAX = 1000
# Never written anywhere, not even that they were the same: passwords, secrets, hashes of them, seeds of second factors.
_SECRET = re.compile(r"(^|_)(password\d?|usable_password|secret|hash|token|seed)$")


class Rule(str):
    """A rule of ours as `who`: what it does on the way of a request is not the caller's doing."""


@dataclass(frozen=True)
class Origin:
    """Who is at it, as what row, and from where."""

    who: str = ""
    actor: str = ""
    address: str = ""


_command: ContextVar[Origin | None] = ContextVar("audit_command", default=None)
_recorded: ContextVar[dict[str, set[str]] | None] = ContextVar("audit_recorded", default=None)


def record(*, action: str, target: models.Model | str, who: str = WHOEVER, **changes: Any) -> None:
    """Write the row. Call it inside the transaction of the change.

    `target`: the row that was changed, or words for what is none, such as `address:10.0.0.1`. `who`: the person or program at it,
    unless given (a Rule, NOBODY). `changes`: names and values as they are now or, of another action than `create` and `delete`, pairs
    of before and after; what is named like a secret is left out.
    """
    write(action=action, target=target, who=who, changes=changes)


def write(*, action: str, target: models.Model | str, changes: Mapping[str, Any], called: str = "", who: str = WHOEVER) -> None:
    """`record` for fields of any name. `called`: what the target is called, where it is not there any more to be asked."""
    origin = _origin()
    if isinstance(who, Rule):
        origin = Origin()
    elif who == NOBODY:
        origin = Origin(address=origin.address)
    named = target if isinstance(target, str) else target_of(target)
    AuditEntry.objects.create(
        who=(who or origin.who or COMMAND_LINE)[:150],
        actor=origin.actor,
        address=origin.address,
        action=action,
        target=named[:100],
        target_name=(called or ("" if isinstance(target, str) else str(target)))[:150],
        changes={name: _plain(value) for name, value in changes.items() if not is_secret(name)},
    )
    _remember(named, changes)


def actor_at_hand() -> str:
    """The row of the caller whose request is being answered, as `target_of` names it; empty: there is none."""
    return _origin().actor


def tells_of(row: models.Model) -> None:
    """What was just recorded tells all of this row too, such as a ledger row that corrects its key."""
    _remember(target_of(row), ())


def told_of(target: str) -> frozenset[str] | None:
    """The fields that were recorded of it (`target_of`) since the innermost `tracing` began; None: it has no row since."""
    fields = (_recorded.get() or {}).get(target)
    return None if fields is None else frozenset(fields)


def _remember(target: str, fields: Iterable[str]) -> None:
    recorded = _recorded.get()
    if recorded is not None:
        recorded.setdefault(target, set()).update(fields)


def target_of(row: models.Model) -> str:
    """How a row is named in the audit, such as `key:12`."""
    return f"{kind_of(row)}:{row.pk}"


def kind_of(model: models.Model | type[models.Model]) -> str:
    name = model._meta.model_name or ""
    return _NAMES.get(name, name)


_NAMES = {"virtualkey": "key", "managementkey": "management_key"}


def is_secret(name: str) -> bool:
    """Whether a field of that name is left out of every row."""
    return _SECRET.search(name) is not None


@contextmanager
def tracing() -> Iterator[None]:
    """What is recorded inside can be asked for there (`told_of`)."""
    token = _recorded.set({})
    try:
        yield
    finally:
        _recorded.reset(token)


@contextmanager
def by_command(name: str) -> Iterator[None]:
    """What goes on inside is the doing of that management command, and of the system's user that runs it."""
    who = f"{_system_user()}, manage.py {name}"
    token = _command.set(Origin(who, "", socket.gethostname()))
    try:
        yield
    finally:
        _command.reset(token)


def _origin() -> Origin:
    if request := request_at_hand():
        user, address = getattr(request, "user", None), client_address(request)
        if isinstance(user, ManagementKey):
            return Origin(str(user), target_of(user), address)
        if isinstance(user, AbstractBaseUser) and user.is_authenticated:
            return Origin(user.get_username(), target_of(user), address)
        return Origin(address=address)
    return _command.get() or Origin()


def doer() -> str:
    """Who is at it, as rows name them."""
    return _origin().who or COMMAND_LINE


def _system_user() -> str:
    """As the system knows it; who became root by sudo is told too. In a container the user may have no name."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {behind})" if behind else name


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items() if not is_secret(str(name))}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case Decimal():
            return f"{value:.4f}"
        case datetime() | date():
            return value.isoformat()
        case models.Model():
            return str(value)
        case None | bool() | int() | float():
            return value
    return str(value)[:_TEXT_MAX].replace("\0", "")
