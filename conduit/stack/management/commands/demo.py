import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from conduit.stack.access import DemoAccess, demo_access
from conduit.stack.command import StackCommand
from conduit.stack.demo import Demo, Video, wanted
from conduit.stack.progress_bar import ProgressBar
from conduit.stack.stack import Stack
from conduit.tree import IS_INSTALLED
from keys.management.audited import AuditedCommand


class Command(AuditedCommand, StackCommand):
    help = "Run everything, make one video (PROMPT, DURATION, RESOLUTION), then serve until Ctrl-C; with ONCE=1 stop after the video."

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get("CONDUIT_ENV") == "production":
            raise CommandError("The demo makes a login, a key and a video of its own, which no production wants. Unset CONDUIT_ENV.")
        super().handle(*args, **options)

    def during(self, stack: Stack) -> None:
        kept_at = stack.home / "demo.json"
        access = demo_access(kept_at)
        connections.close_all()
        body = wanted(os.environ)
        self.say(f"Making a video: {body['prompt']}")
        demo = Demo(stack, secret=access.key, public_url=settings.PUBLIC_URL)
        self._show(demo.generate(body, ProgressBar(sys.stdout)))
        self._invite(access, token=demo.playground_token(), kept_at=str(kept_at))
        stack.wait_until_well()
        if os.environ.get("ONCE", "") not in ("", "0"):
            again = "conduit run" if IS_INSTALLED else "make run"
            self.say(f"\nONCE is set: everything stops now. `{again}` serves again, with the same key and login.")
            return
        self.say("\nConduit serves until Ctrl-C.")
        stack.serve()

    def _show(self, video: Video) -> None:
        self.say(f"Video:     {video.video}  ({video.facts})")
        self.say(f"Thumbnail: {video.thumbnail}")
        self.say(f"Made of:   {video.made_of}")

    def _invite(self, access: DemoAccess, *, token: str, kept_at: str) -> None:
        url = settings.PUBLIC_URL
        playground = f"{url}/#token={token}  (for an hour; then with the demo key)" if settings.PLAYGROUND else "PLAYGROUND is off"
        self.say(
            f"""
Make more: {playground}
API:       {url}/v1/
Console:   {url}/admin/
Demo key:  {access.key}
Login:     {access.username} / {access.password}  (key and login are kept in {kept_at})

Try it:
  curl {url}/v1/video/generations -H "Authorization: Bearer {access.key}" \\
       -H "Content-Type: application/json" -d '{{"model": "minimax-video", "prompt": "a cat in the rain"}}'"""
        )
