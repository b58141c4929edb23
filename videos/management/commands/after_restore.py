"""`manage.py after_restore`: the database was restored from a backup, and the engine waits."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from conduit.conditions import restored
from keys.management.audited import AuditedCommand
from videos.restoring import backed_up_at, take_up


class Command(AuditedCommand):
    help = (
        "Run once after the database was restored from a backup: every order that may have been sent to MiniMax since is put to where it "
        "is found out what became of it, so that nothing is sent twice; then the engine goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--moved", action="store_true", help="the place was stopped before the backup was made: nothing was sent since")
        parser.add_argument("--force", action="store_true", help="also where the restore cannot be noticed, such as of the cluster's files")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["force"] or restored.is_restored()):
            raise CommandError("This is the database that the place last worked with. After a restore of the cluster's files use --force.")
        since = backed_up_at()
        taken = take_up(moved=options["moved"])
        self.stdout.write(f"The backup is of about {since:%Y-%m-%d %H:%M:%S} UTC. {taken.under_way} tasks were under way.")
        if taken.reconciling:
            self.stdout.write(
                f"{taken.reconciling} of them may have been ordered since. What MiniMax cannot tell by itself is listed in the console "
                "under Money, Lost orders, and by GET /v1/admin/lost_orders."
            )
        self.stdout.write("The engine goes on.")
