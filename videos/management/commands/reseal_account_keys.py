from typing import Any

from keys import audit
from keys.management.audited import AuditedCommand
from videos.accounts import rules


class Command(AuditedCommand):
    help = "Seal the accounts' MiniMax keys with the SECRET_KEY of now, after a rotation: then its former value is needed no more."

    def handle(self, *args: Any, **options: Any) -> None:
        done = rules.reseal(who=audit.WHOEVER)
        for name in done.lost:
            self.stderr.write(f"{name}: neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS opens its key. Set it anew.")
        self.stdout.write(f"{done.resealed} sealed anew, {done.current} were already.")
