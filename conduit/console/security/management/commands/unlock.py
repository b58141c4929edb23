"""Hears log-ins again that wrong passwords have locked."""

from argparse import ArgumentParser
from typing import Any

from conduit import clock
from conduit.api.network import network_of
from conduit.console.moments import day_and_time
from conduit.console.security import attempts
from conduit.console.security.models import Lock
from keys.management.audited import AuditedCommand


class Command(AuditedCommand):
    help = "Hear log-ins again that wrong passwords have locked: those of a name, of an address, or all. Without any, list them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--name", help="locks of this name, from one address or from anywhere")
        chosen.add_argument("--address", help="locks of this address, of one name or of all")
        chosen.add_argument("--all", action="store_true", help="all of them")

    def handle(self, *, name: str | None, address: str | None, all: bool, **_: Any) -> None:
        locks = Lock.objects.active(clock.now())
        if name:
            locks = locks.filter(name=name)
        elif address:
            locks = locks.filter(address=network_of(address))
        elif not all:
            for lock in locks:
                self.stdout.write(f"{lock} ({lock.get_kind_display()}), until {day_and_time(lock.until)}")
            return
        self.stdout.write(f"Unlocked: {attempts.unlock(locks, who='')}.")
