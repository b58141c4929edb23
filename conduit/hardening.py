"""What every process of ours does first, so that others on the machine learn no secret from it."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden_process() -> None:
    """Files that this process makes are its owner's alone, and so are its memory and environment root's: not even a process of the
    same user reads /proc/PID/environ, attaches to it, or finds a core dump.

    The kernel forgets the second when another program is executed, so each process does it for itself. Linux only.
    """
    os.umask(0o077)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def close_to_others(folder: Path) -> None:
    """Take from others what they may do in a folder of ours, should it be there: one that an older release or a person made."""
    with suppress(OSError):  # it is not there, or not ours to change
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
