"""Keeps the stack's processes running, and ends them in order.

It has no thread and no loop of its own: its caller calls `watch` again and again from one thread. That thread is
the parent whose death the kernel tells to the children (`lifeline`).
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from conduit.stack.files import write_private
from conduit.stack.service import Service, in_words

# As long as docs/operations.md has whoever ends a web process wait for it.
GRACE_SECONDS = 30.0


class Supervisor:
    """`say` takes one line for the terminal. `roster` is the file that tells which process id each name has now."""

    def __init__(self, *, say: Callable[[str], object], roster: Path) -> None:
        self.services: dict[str, Service] = {}
        self._say = say
        self._roster = roster
        self._due: dict[str, float] = {}

    def start(self, service: Service) -> None:
        self.services[service.name] = service
        service.start()
        self._call_the_roll()

    def watch(self) -> None:
        """Notice what has ended, and start again what has waited long enough."""
        for service in self.services.values():
            if service.name in self._due:
                if time.monotonic() >= self._due[service.name]:
                    del self._due[service.name]
                    service.start()
                    self._call_the_roll()
            elif (status := service.ended()) is not None:
                pause = service.pause_before_restart()
                self._due[service.name] = time.monotonic() + pause
                self._say(f"{service.name} ended ({in_words(status)}) and starts again in {pause:g} s. Its log: {service.log}")

    def stop(self, order: Sequence[Sequence[str]], *, grace: float) -> None:
        """End the processes, one group of names after another; what is not named ends with the last group.

        Each group has `grace` seconds to end by itself.
        """
        named = {name for group in order for name in group}
        others = [name for name in self.services if name not in named]
        for group in [*order[:-1], [*order[-1], *others]]:
            self._end([self.services[name] for name in group if name in self.services], grace)
        self._roster.unlink(missing_ok=True)

    def _end(self, services: Sequence[Service], grace: float) -> None:
        for service in services:
            service.terminate()
        until = time.monotonic() + grace
        while any(service.pid is not None and service.ended() is None for service in services):
            if time.monotonic() > until:
                break
            time.sleep(0.02)
        for service in services:
            service.kill()

    def _call_the_roll(self) -> None:
        processes = {name: service.pid for name, service in self.services.items()}
        write_private(self._roster, json.dumps({"pid": os.getpid(), "processes": processes}))
