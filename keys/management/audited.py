"""Commands whose changes say who made them."""

from typing import Any

from django.core.management.base import BaseCommand

from keys import audit


class AuditedCommand(BaseCommand):
    """What it changes is audited as its doing, and that of the system's user who runs it."""

    @property
    def name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    def execute(self, *args: Any, **options: Any) -> str | None:
        with audit.by_command(self.name):
            return super().execute(*args, **options)
