"""Python imports this first of all in a process that has this folder on its path; see tests/signalr/measuring.py."""

import gc
import json
import os
import signal
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

_REPORT = Path(os.environ["MEASURED_REPORT"])


def _report(*_: Any) -> None:
    gc.collect()
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    unfinished = _REPORT.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"kinds": kinds, "bytes": held, "peak": peak}))
    unfinished.replace(_REPORT)


signal.signal(signal.SIGUSR1, _report)
