"""Start the MiniMax sandbox in the foreground: `manage.py sandbox`."""

import signal
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from videos.minimax.sandbox import Sandbox


class Command(BaseCommand):
    help = "Serves a look-alike of MiniMax's V1 API on the loopback until it is told to stop."
    # It knows nothing of Conduit: no check of ours says whether it can run.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        ours = settings.MINIMAX_SANDBOX
        parser.add_argument(
            "--port", type=int, default=urlsplit(settings.MINIMAX_BASE_URL).port or 0 if ours else 0, help="0: any free one"
        )
        parser.add_argument("--home", type=Path, default=settings.CONDUIT_HOME / "sandbox", help="its jobs, log and videos")
        parser.add_argument(
            "--time-scale", type=float, default=settings.MINIMAX_TIME_SCALE if ours else 0.05, help="share of MiniMax's times"
        )
        parser.add_argument("--api-key", default=settings.MINIMAX_API_KEY if ours else "sandbox", help="the bearer that it wants")

    def handle(self, *, port: int, home: Path, time_scale: float, api_key: str, **options: Any) -> None:
        stop = threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: stop.set())
        try:
            sandbox = Sandbox(home, port=port, time_scale=time_scale, api_key=api_key).start()
        except OSError as error:
            raise CommandError(f"The sandbox cannot start with port {port} and home {home}: {error.strerror}.") from None
        self.stdout.write(f"MiniMax sandbox on {sandbox.url}, jobs in {home}")
        self.stdout.flush()
        stop.wait()
        sandbox.stop()
