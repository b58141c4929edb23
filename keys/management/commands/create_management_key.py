from typing import Any

from django.core.management.base import CommandError, CommandParser
from rest_framework.exceptions import ValidationError

from keys import audit
from keys.management.audited import AuditedCommand
from keys.management.options import in_options, texts
from keys.management.printing import print_secret
from keys.models import Scope
from keys.requests import first_words, management_key_fields
from keys.services import create_management_key

OPTIONS = {"name": "NAME", "scopes": "--scopes", "expires_at": "--expires", "calls_per_minute": "--rpm", "ip_ranges": "--ips"}


class Command(AuditedCommand):
    help = "Create a management key, which opens /v1/admin/, and print its secret, alone, on standard output. It cannot be shown again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="which program or person the key is for")
        parser.add_argument("--scopes", metavar="A,B", help=f"what it may do: {', '.join(Scope.values)} (all of them unless given)")
        parser.add_argument("--expires", metavar="WHEN", dest="expires_at", help="such as 2027-01-31 or 2027-01-31T12:00:00Z")
        parser.add_argument("--rpm", metavar="CALLS", dest="calls_per_minute", type=int, help="calls per minute")
        parser.add_argument("--ips", metavar="A,B", dest="ip_ranges", help="addresses or networks that it may be used from")

    def handle(self, *args: Any, **options: Any) -> None:
        given = {name: options[name] for name in OPTIONS if options[name] is not None}
        for name in ("scopes", "ip_ranges"):
            if name in given:
                given[name] = texts(given[name])
        try:
            fields = management_key_fields(given)
        except ValidationError as error:
            raise CommandError(in_options(first_words(error.detail), OPTIONS)) from error
        print_secret(self, lambda: create_management_key(**fields, who=audit.WHOEVER)[1])
