from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys import audit
from keys.management.printing import print_secret
from keys.names import tidy_name
from keys.services import create_management_key


class Command(BaseCommand):
    help = "Create a management key, which opens /v1/admin/, and print its secret, alone, on standard output. It cannot be shown again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="which program or person the key is for")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = tidy_name(options["name"])
        except ValueError as error:
            raise CommandError(f"NAME {error}.") from error
        print_secret(self, lambda: create_management_key(name=name, who=audit.COMMAND_LINE)[1])
