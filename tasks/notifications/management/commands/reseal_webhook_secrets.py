from typing import Any

from keys.management.audited import AuditedCommand
from tasks.notifications import resealing


class Command(AuditedCommand):
    help = "Seal the signing secrets of webhooks with the SECRET_KEY of now, after a rotation: then its former value is needed no more."

    def handle(self, *args: Any, **options: Any) -> None:
        done = resealing.reseal()
        for name in done.lost:
            self.stderr.write(f"{name}: neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS opens its secret. Rotate it.")
        self.stdout.write(f"{done.resealed} sealed anew, {done.current} were already.")
