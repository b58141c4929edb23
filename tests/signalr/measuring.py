"""What a process holds, counted from inside: resident bytes would tell of allocators and of when garbage is collected."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.signalr.wires import until
from tests.support.scratch import scratch

# Cancelled ones lie in the event loop's heap for a while, each with its context, in which asgiref keeps what is local.
_TIMERS = {"asyncio.events.TimerHandle", "twisted.internet.base.DelayedCall", "_contextvars.Context", "asgiref.local._Storage"}
# Of the last 128 statements, however often each was asked: a savepoint's has a name of its own.
_STATEMENTS = {"psycopg._queries.QueryPart"}


@dataclass(frozen=True, slots=True)
class Held:
    """With all garbage collected: how many objects of each class, and the bytes that Python has allocated since it was first asked.

    `peak` is the most that these bytes were since it was last asked.
    """

    kinds: dict[str, int]
    bytes: int
    peak: int

    def more_than(self, before: "Held", count: int) -> list[str]:
        """Classes of which there are so many more objects than before. Those of builtins, and weak references, belong to somebody who is
        among them."""
        grown = [kind for kind in self.kinds if self.kinds[kind] - before.kinds.get(kind, 0) >= count]
        return [kind for kind in grown if not kind.startswith(("builtins.", "weakref.")) and kind not in _TIMERS | _STATEMENTS]


class Measured:
    """A process that is started with `environment` and tells what it holds."""

    def __init__(self) -> None:
        self._report = scratch("measured") / "report.json"
        paths = [str(Path(__file__).with_name("measured")), os.environ.get("PYTHONPATH", "")]
        self.environment = {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "MEASURED_REPORT": str(self._report),
        }

    def held(self, pid: int) -> Held:
        """What the process holds now."""
        self._report.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR1)
        until(self._report.exists, seconds=60)
        return Held(**json.loads(self._report.read_text()))
