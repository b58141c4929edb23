from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from conduit.console.commands.recorded import saves_recorded
from keys.management.audited import AuditedCommand


class Command(AuditedCommand, createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with saves_recorded():
            return super().handle(*args, **options)
