from typing import Any

from django.contrib.auth.management.commands import changepassword

from conduit.console.commands.recorded import saves_recorded
from keys.management.audited import AuditedCommand


class Command(AuditedCommand, changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with saves_recorded():
            return super().handle(*args, **options)
