"""Takes the second factor from somebody who has lost it."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from conduit.console.security import second_factor
from keys.management.audited import AuditedCommand


class Command(AuditedCommand):
    help = "Take the second factor from an account, whose password then opens the console, or has it set up a new one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the account")

    def handle(self, *, name: str, **_: Any) -> None:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no account {name!r}.")
        self.stdout.write(f"Removed: {name}." if second_factor.remove(user) else f"{name} has no second factor.")
