from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conduit.metrics import alerts
from conduit.metrics.document import brought_up_to_date
from conduit.tree import IS_INSTALLED

RULES, DOCUMENT = "ops/prometheus/conduit.rules.yml", "docs/metrics.md"


class Command(BaseCommand):
    help = "Print the alert rules for Prometheus: one for each condition of the place, and those of figures."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help=f"write {RULES}, and metrics and runbook in {DOCUMENT}, instead")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["write"]:
            self.stdout.write(alerts.text())
            return
        if IS_INSTALLED:
            raise CommandError("--write writes files of a checkout, and this is none.")
        (settings.BASE_DIR / RULES).write_text(alerts.text())
        document = settings.BASE_DIR / DOCUMENT
        document.write_text(brought_up_to_date(document.read_text()))
