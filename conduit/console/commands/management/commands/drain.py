"""`manage.py drain HOST`: its processes finish what they have and take nothing new."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from conduit.metrics.roster import host_named, hosts
from keys import audit
from keys.hosts import drain, end_drain
from keys.management.audited import AuditedCommand

LOOK_SECONDS = 1.0
# Until each of its processes has noticed, and told how it stands after that.
NOTICE_SECONDS = 8.0


class Command(AuditedCommand):
    help = (
        "Have the processes of a host finish what they have and take nothing new: workers begin no step, and its web processes answer 503 "
        "to /health/ready. It waits until its workers have nothing at hand."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", help="as processes call it, such as host-1 in provider@host-1:4711")
        parser.add_argument("--end", action="store_true", help="let it take work again")
        parser.add_argument("--wait", type=float, default=900.0, help="seconds to wait at most; 0: do not wait")

    def handle(self, *args: Any, **options: Any) -> None:
        host = options["host"]
        if options["end"]:
            if not end_drain(host):
                raise CommandError(f"{host} is not drained.")
            self.stdout.write(f"{host} takes work again.")
            return
        if host_named(host) is None:
            raise CommandError(f"No process of that host is at work. Known: {', '.join(one.name for one in hosts()) or 'none'}.")
        drain(host, by=audit.doer())
        self._wait(host, options["wait"])

    def _wait(self, host: str, seconds: float) -> None:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            of = host_named(host)
            if passed >= NOTICE_SECONDS and (of is None or not of.steps):
                self.stdout.write(f"{host} is drained: its workers have nothing at hand.")
                return
            time.sleep(LOOK_SECONDS)
        self.stdout.write(f"{host} takes nothing new, and may still finish what it has.")
