import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from conduit.conditions import Severity
from conduit.doctor.registry import Finding, asked, report

EXITS = {None: 0, Severity.NOTICE: 0, Severity.DEGRADED: 1, Severity.UNAVAILABLE: 2}


class Command(BaseCommand):
    help = (
        "Look at settings, servers, hosts, accounts and money, and tell of each thing whether it is well and what to do. Exits with 0 when "
        "videos are made as they should, 1 when some work waits or is late, 2 when none are made."
    )
    # It tells itself what a start would refuse.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object, for programs")
        parser.add_argument("--quiet", action="store_true", help="only what is not well")

    def handle(self, *args: Any, **options: Any) -> None:
        found: list[tuple[str, Finding]] = []
        for about, finding in asked():
            found.append((about, finding))
            if not options["json"] and (finding.severity or not options["quiet"]):
                self._print(about, finding)
        worst = max((finding.severity for _, finding in found if finding.severity), default=None)
        if options["json"]:
            self.stdout.write(json.dumps(report(found), indent=2))
        raise SystemExit(EXITS[worst])

    def _print(self, about: str, finding: Finding) -> None:
        self.stdout.write(f"{finding.word:<12} {about:<11} {finding.says}")
        if finding.severity and finding.what_to_do:
            self.stdout.write(f"{'':<24} -> {finding.what_to_do}")
