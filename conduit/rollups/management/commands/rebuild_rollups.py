from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conduit.rollups import registry
from conduit.rollups.counting import BusyError


class Command(BaseCommand):
    help = (
        "Count anew what the console's figures are made of. Each kind in one transaction: until it is over pages show what was counted "
        "before. Counts of events that were forgotten since, and of calls to MiniMax, stay as they are."
    )

    def handle(self, **options: Any) -> None:
        busy = []
        for rollup in registry.registered():
            if rollup.rebuild is None:
                self.stdout.write(f"{rollup.name}: stays as it is")
                continue
            try:
                rows = rollup.rebuild()
            except BusyError:
                busy.append(rollup.name)
            else:
                self.stdout.write(f"{rollup.name}: counted {rows} rows")
        if busy:
            raise CommandError(f"Not counted anew, because somebody counts at this moment: {', '.join(busy)}. Run it again.")
