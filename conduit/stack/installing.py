"""Puts what a file of requirements names into a virtual environment: `python installing.py VENV FILE`.

uv does in seconds what takes pip a minute, so it is used where it is or can be had, and pip where not; both look where pip was told to
look. One line says how far it is. The first thing that a clone runs: it needs nothing but the standard library.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

UV = "uv==0.13.9"
# What pip is told by its files and variables, as uv calls it.
_AS_UV_CALLS_IT = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
_SAID_SECONDS = 5.0  # where there is no terminal whose line could be written anew


def main(venv: Path, requirements: Path) -> int:
    """The exit status of the installer."""
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    with _progress() as said:
        uv = shutil.which("uv") or _fetched(pip, venv, said)
        if uv:
            told = _told_to_pip(pip)
            command = [uv, "pip", "install", "--python", python, "--requirement", str(requirements)]
            if _run(command, said, os.environ | told) == 0:
                return 0
            said.append("uv could not: pip tries")
        command = [*pip, "install", "--progress-bar", "off", "--requirement", str(requirements)]
        return _run(command, said, os.environ, complain=True)


def _fetched(pip: Sequence[str], venv: Path, said: list[str]) -> str | None:
    said.append("getting uv")
    there = venv / "bin" / "uv"
    if not there.exists():
        _run([*pip, "install", "--quiet", "--only-binary", ":all:", UV], said, os.environ)
    return str(there) if there.exists() else None


def _told_to_pip(pip: Sequence[str]) -> dict[str, str]:
    """Where packages come from, in uv's words."""
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - our own
    told: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        known = _AS_UV_CALLS_IT.get(name.rpartition(".")[2])
        if known:
            told[known] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    if "UV_FIND_LINKS" in told:
        told["UV_FIND_LINKS"] = told["UV_FIND_LINKS"].replace(" ", ",")
    # Of several indexes pip takes the best version, uv else the first that has any.
    return {name: value for name, value in told.items() if name not in os.environ} | {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def _run(command: Sequence[str], said: list[str], environment: Mapping[str, str], *, complain: bool = False) -> int:
    """Its exit status; what it says goes into `said`, and all of it to standard error when it fails and is to `complain`."""
    lines = []
    with subprocess.Popen(  # noqa: S603 - our own
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if line.strip():
                said.append(line.strip())
    if process.returncode and complain:
        sys.stderr.write("\n" + "".join(lines[-40:]))
    return process.returncode


@contextmanager
def _progress() -> Iterator[list[str]]:
    """A list whose last line is shown, with the seconds so far, until the context ends."""
    said, over, began = ["looking for uv"], threading.Event(), time.monotonic()
    terminal = sys.stdout.isatty()

    def show(line: str, end: str) -> None:
        words = f"  {time.monotonic() - began:3.0f} s  {line}"
        sys.stdout.write(f"\r\033[K{words[:78]}{end}" if terminal else words[:78] + "\n")
        sys.stdout.flush()

    def keep_showing() -> None:
        while not over.wait(0.2 if terminal else _SAID_SECONDS):
            show(said[-1], "")

    showing = threading.Thread(target=keep_showing, daemon=True)
    showing.start()
    try:
        yield said
    finally:
        over.set()
        showing.join()
        show(said[-1] if len(said) > 1 else "done", "\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
