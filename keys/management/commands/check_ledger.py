from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys.reconciliation import reconcile


class Command(BaseCommand):
    help = "Prove that the ledger, the budgets' counters and the tasks agree to the last digit, or name each difference."
    # What serving needs, such as a key of MiniMax's, reconciling does not.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        rows, found = reconcile()
        for difference in found:
            self.stdout.write(difference)
        if found:
            raise CommandError(f"The ledger does not add up: {len(found)} difference{'s' if len(found) > 1 else ''}.")
        self.stdout.write(f"The ledger adds up: {rows} rows.")
