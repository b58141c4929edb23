"""`manage.py forget_process NAME`: a worker whose host is gone for good is missed no more."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from conduit.conditions.models import Process
from conduit.conditions.processes import forget
from keys import audit
from keys.management.audited import AuditedCommand


class Command(AuditedCommand):
    help = "Miss a worker or beat no more that ended without saying so and will not come back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="as /health tells it, such as provider@host-1:4711")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            forgotten = forget(options["name"])
            if forgotten:
                audit.record(action="forget", target=f"process:{options['name']}")
        if not forgotten:
            known = ", ".join(Process.objects.order_by("name").values_list("name", flat=True)[:20]) or "none"
            raise CommandError(f"No process of that name was heard of. Known: {known}.")
        self.stdout.write(f"{options['name']} is missed no more.")
