"""How a command that is not ours leaves its row in the audit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from conduit.console.audit.states import state_of, values_of
from keys import audit
from keys.management.audited import AuditedCommand


class RecordedCommand(AuditedCommand):
    """What it does, and a row that says so, in one transaction."""

    # Options that the row tells.
    told: tuple[str, ...] = ()

    def execute(self, *args: Any, **options: Any) -> str | None:
        with transaction.atomic():
            answer = super().execute(*args, **options)
            self.record(args, options)
        return answer

    def record(self, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        told = {option: options[option] for option in self.told if options.get(option)}
        with audit.by_command(self.name):
            audit.write(action="run", target=f"command:{self.name}", changes={**told, **({"arguments": args} if args else {})})


class OpeningCommand(RecordedCommand):
    """A way to everything, whose row is written before it opens: what is done there leaves none."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.record(args, options)
        return super(RecordedCommand, self).execute(*args, **options)


@contextmanager
def saves_recorded() -> Iterator[None]:
    """Each account that is saved inside leaves a row, in the transaction of its save."""
    save = User.save

    def recorded(user: User, *args: Any, **kwargs: Any) -> None:
        new = user._state.adding
        with transaction.atomic():
            save(user, *args, **kwargs)
            if new:
                audit.write(action="create", target=user, changes=values_of(state_of(user)))
            else:
                audit.record(action="set password", target=user)

    setattr(User, "save", recorded)  # noqa: B010 - mypy knows no method that is set
    try:
        yield
    finally:
        setattr(User, "save", save)  # noqa: B010
