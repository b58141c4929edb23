from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import OperationalError, ProgrammingError

from keys.services import create_key


class Command(BaseCommand):
    help = "Create a virtual key and print its secret, alone, on standard output. It cannot be shown again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="who or what the key is for")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        name = name.strip()
        if not 0 < len(name) <= 100:
            raise CommandError("NAME must have 1 to 100 characters.")
        try:
            _, secret = create_key(name=name)
        except (OperationalError, ProgrammingError) as error:
            if "keys_virtualkey" not in str(error):
                raise
            raise CommandError("The database has no tables yet: run `make run` or `manage.py migrate` first.") from error
        self.stdout.write(secret)
