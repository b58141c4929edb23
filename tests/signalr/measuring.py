"""What a process holds, counted from inside: resident bytes would tell of allocators and of when garbage is collected."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.signalr.wires import until
from tests.support.scratch import scratch


@dataclass(frozen=True, slots=True)
class Held:
    """With all garbage collected: objects, how many of each class, bytes that Python has allocated, and the most since the last report."""

    objects: int
    kinds: dict[str, int]
    bytes: int
    peak: int


class Measured:
    """A process that is started with `environment` and tells what it holds."""

    def __init__(self) -> None:
        self._report = scratch("measured") / "report.json"
        paths = [str(Path(__file__).with_name("measured")), os.environ.get("PYTHONPATH", "")]
        self.environment = {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONTRACEMALLOC": "1",
            "MEASURED_REPORT": str(self._report),
        }

    def held(self, pid: int) -> Held:
        """What the process holds now; another call counts its peak from here."""
        self._report.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR1)
        until(self._report.exists, seconds=60)
        return Held(**json.loads(self._report.read_text()))
