"""Python imports this first of all in a process that tests/support/fleet.py gives another clock.

Since 3.11 `time.sleep` waits for a moment of the monotonic clock. libfaketime 0.9.10 shifts that moment too, although it was told
to leave that clock alone, and the kernel refuses it (libfaketime issue 426). Waiting for nothing is waiting for a span.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float) -> None:
    length = float(seconds)
    if length < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], length)


time.sleep = _sleep
