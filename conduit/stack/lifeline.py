"""Processes that die with the one that started them, however that one died.

As a script it is the first thing a child runs: it ties the child to its parent and becomes the command it was given.
It needs nothing but the standard library, so that it starts in milliseconds and without the project's path.
"""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int | None = None, deadly: int = signal.SIGKILL) -> None:
    """Ask the kernel for the signal `deadly` when the thread that started this process ends. Linux only; elsewhere it does nothing.

    `parent` is the process id that must still be our parent: one that died before the kernel was asked is noticed by
    that alone. Left out, the parent of now is believed.
    """
    if not sys.platform.startswith("linux"):
        return
    expected = os.getppid() if parent is None else parent
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, deadly, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != expected:
        os.kill(os.getpid(), deadly)


def tied(command: Sequence[str], *, deadly: signal.Signals = signal.SIGKILL, user: tuple[int, int] | None = None) -> list[str]:
    """`command` so that it dies with this process; as another `user` (uid, gid) when this process may change it."""
    script = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "--parent", str(os.getpid()), "--signal", str(int(deadly))]
    if user is not None:
        script += ["--uid", str(user[0]), "--gid", str(user[1])]
    return [*script, "--", *command]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.uid is not None:
        os.setgroups([])
        os.setgid(options.gid)
        os.setuid(options.uid)
    # After the change of user: the kernel forgets the wish when the credentials change.
    die_with_parent(options.parent, options.signal)
    try:
        os.execvp(options.command[0], options.command)  # noqa: S606 - becoming the command is the point
    except OSError as error:
        sys.exit(f"{options.command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
