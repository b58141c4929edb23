"""The Procfile: what runs in production, read by the embedded stack too."""

import re
from pathlib import Path

from conduit.stack.errors import CannotStart

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read_procfile(path: Path) -> dict[str, str]:
    """The shell command of each process, by its name, in the order of the file."""
    commands: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            raise CannotStart(f"{path.name} line {number} is not `name: command`.")
        name, command = found.groups()
        if name in commands:
            raise CannotStart(f"{path.name} line {number} names {name} a second time.")
        commands[name] = command
    return commands
