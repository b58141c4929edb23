"""Start the MiniMax sandbox in the foreground: `manage.py sandbox`."""

import os
import signal
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from videos.minimax.sandbox import Account, Misspelt, Sandbox

_OPTIONS = ("time_scale", "api_key", "frames_off", "frames_jitter", "clip_scale", "numbers", "accounts")


class Command(BaseCommand):
    help = "Serves a look-alike of MiniMax's API on the loopback until it is told to stop."
    # It knows nothing of Conduit: no check of ours says whether it can run.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        ours = settings.MINIMAX_SANDBOX
        parser.add_argument(
            "--port", type=int, default=urlsplit(settings.MINIMAX_BASE_URL).port or 0 if ours else 0, help="0: any free one"
        )
        parser.add_argument("--home", type=Path, default=settings.CONDUIT_HOME / "sandbox", help="its jobs, log and videos")
        parser.add_argument(
            "--time-scale", type=float, default=settings.MINIMAX_TIME_SCALE if ours else 0.02, help="share of MiniMax's times"
        )
        parser.add_argument(
            "--frames-off",
            type=int,
            default=_variable("FRAMES_OFF", "0"),
            help="frames that clips have too many or, negative, too few",
        )
        parser.add_argument(
            "--frames-jitter", type=int, default=_variable("FRAMES_JITTER", "0"), help="up to so many frames more or less, by the job"
        )
        parser.add_argument("--clip-scale", type=int, default=_variable("CLIP_SCALE", "1"), help="divides the pixels of clips and images")
        parser.add_argument(
            "--numbers", action="store_true", default=_variable("NUMBERS", "0") != "0", help="draw its number into each frame"
        )
        parser.add_argument("--api-key", default=settings.MINIMAX_API_KEY if ours else "sandbox", help="the bearer that it wants")
        parser.add_argument(
            "--account",
            dest="accounts",
            action="append",
            default=[],
            metavar="NAME=KEY[,pace=N][,balance=USD]",
            help="a further account: creates that it is accepted in a minute, USD that it can be billed",
        )

    def handle(self, *, port: int, home: Path, **options: Any) -> None:
        if options["clip_scale"] < 1 or options["frames_jitter"] < 0:
            raise CommandError("--clip-scale is a number from 1, --frames-jitter one from 0.")
        try:
            texts = [*filter(None, _variable("ACCOUNTS", "").split(";")), *options["accounts"]]
            options["accounts"] = [Account.parse(text) for text in texts]
        except Misspelt as error:
            raise CommandError(f"--account: {error}.") from None
        stop = threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: stop.set())
        try:
            sandbox = Sandbox(home, port=port, **{name: options[name] for name in _OPTIONS}).start()
        except Misspelt as error:
            raise CommandError(f"--account: {error}.") from None
        except OSError as error:
            raise CommandError(f"The sandbox cannot start with port {port} and home {home}: {error.strerror}.") from None
        self.stdout.write(f"MiniMax sandbox on {sandbox.url}, jobs in {home}")
        self.stdout.flush()
        stop.wait()
        sandbox.stop()


def _variable(name: str, default: str) -> str:
    """SANDBOX_…, for a sandbox that the stack starts; read as if it stood in the command."""
    return os.environ.get(f"SANDBOX_{name}") or default
