from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from keys.models import UsageCost
from keys.proof import differences


class Command(BaseCommand):
    help = "Prove that the ledger, the budgets' counters and the tasks agree to the last digit, or name each difference."
    # What serving needs, such as a key of MiniMax's, a proof does not.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        alone = not connection.in_atomic_block
        with transaction.atomic():
            if alone and connection.vendor == "postgresql":
                # Beside a running stack: everything is read as it was at one moment. SQLite does so by itself.
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            rows = UsageCost.objects.count()
            found = list(differences())
        for difference in found:
            self.stdout.write(difference)
        if found:
            raise CommandError(f"The ledger does not add up: {len(found)} difference{'s' if len(found) > 1 else ''}.")
        self.stdout.write(f"The ledger adds up: {rows} rows.")
