"""`manage.py remove_orphans`: what a walk through the storage does in hours, at once, and what none does by itself."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from conduit import clock
from conduit.conditions import restored
from keys import audit
from keys.management.audited import AuditedCommand
from videos import orphans

UNKNOWN_DAYS = 7


class Command(AuditedCommand):
    help = "Remove files from the storage that no row names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell what there is")
        parser.add_argument(
            "--unknown",
            action="store_true",
            help="also the folders of tasks that the database does not know: not where another place stores its files too",
        )
        parser.add_argument(
            "--older-than", type=int, default=UNKNOWN_DAYS, metavar="DAYS", help=f"how old those must be ({UNKNOWN_DAYS} unless given)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if restored.is_restored():
            raise CommandError("The database was restored from a backup: run `manage.py after_restore` first.")
        if options["older_than"] < 1:
            raise CommandError("--older-than is a number of days, at least 1.")
        orphaned = unknown = removed = 0
        for folders in orphans.all_folders():
            found = orphans.look(folders, clock.now(), timedelta(days=options["older_than"]))
            orphaned, unknown = orphaned + len(found.orphans), unknown + len(found.unknown)
            if not options["dry_run"]:
                removed += orphans.remove(found, unknown=options["unknown"])
        if removed:
            audit.record(action="remove_orphans", target="storage", files=removed, unknown_tasks=unknown if options["unknown"] else 0)
        self.stdout.write(f"{orphaned} files that no row names, and folders of {unknown} tasks that the database does not know.")
        self.stdout.write("Nothing was removed." if options["dry_run"] else f"{removed} files were removed.")
