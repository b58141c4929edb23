"""What the stack's processes find in their environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from conduit.stack.errors import CannotStart

# Set in the supervisor and its processes: settings.py then leaves run.env alone, which tells of a stack, perhaps a dead one.
MARK = "CONDUIT_STACK"


def claim() -> None:
    """Start this command anew with the stack's own environment, unless it has it already.

    Settings were read before the command could say that it is the stack: they may hold what another stack left in
    run.env, and production where the embedded stack means development.
    """
    if MARK in os.environ:
        return
    left_over = _read(settings.CONDUIT_HOME / "run.env")
    clean = {name: value for name, value in os.environ.items() if left_over.get(name) != value}
    clean[MARK] = "1"
    clean["CONDUIT_ENV"] = clean.get("CONDUIT_ENV") or "development"
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], clean)  # noqa: S606 - this very command


def for_processes(own: Mapping[str, str], *, home: Path, port: int) -> dict[str, str]:
    """The environment of every process of the stack, before the embedded services add where they listen."""
    programs = str(Path(sys.executable).parent)  # `daphne` and `celery` of this interpreter's venv
    return {
        **own,
        MARK: "1",
        "CONDUIT_ENV": own.get("CONDUIT_ENV") or "development",
        "CONDUIT_HOME": str(home),
        "PORT": str(port),
        "PATH": f"{programs}{os.pathsep}{own.get('PATH', os.defpath)}",
        # Logs are files: without this their last lines would sit in a buffer when a process is killed.
        "PYTHONUNBUFFERED": "1",
    }


def wanted_port(own: Mapping[str, str]) -> int:
    """PORT, or CannotStart when it is none."""
    text = own.get("PORT") or "8000"
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise CannotStart(f"PORT is {text!r}. Set PORT to a number from 1 to 65535.")
    return int(text)


def _read(path: Path) -> dict[str, str]:
    """The lines NAME=VALUE of a run.env; nothing when there is none."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value for name, _, value in pairs}
