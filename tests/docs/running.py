"""A page's blocks run as they stand, in one shell, beside a running stack."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.docs.pages import ROOT, Block
from tests.signalr.client import FOLDER, NODE
from tests.support.running import RunningStack

PAGE_SECONDS = 300
_ENDINGS = {"python": "py", "js": "mjs"}
_BY = {"python": ".venv/bin/python", "js": f"{NODE}"}


def run(page: Sequence[Block], stack: RunningStack, folder: Path) -> str:
    """What they print. AssertionError with that and the place of the block when one fails, an HTTP status of 400 or more included."""
    for path in ROOT.iterdir():  # what a clone's folder holds; what blocks write stays here
        if not path.name.startswith(".") or path.name == ".venv":
            (folder / path.name).symlink_to(path)
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    home = folder / "curl"
    home.mkdir()
    (home / ".curlrc").write_text("fail-with-body\nshow-error\n")
    script = folder / "page.sh"
    script.write_text("set -eo pipefail\n" + "".join(_written(block, folder) for block in page))
    # In a clone that has no server of its own this is what it is.
    environment = stack.beside | {"CURL_HOME": str(home), "CONDUIT_ENV": "development"}
    made = subprocess.run(
        ["bash", str(script)], cwd=folder, env=environment, capture_output=True, text=True, timeout=PAGE_SECONDS, check=False
    )
    assert made.returncode == 0, f"{made.stderr[-4000:]}\n{made.stdout[-4000:]}"
    return made.stdout


def _written(block: Block, folder: Path) -> str:
    """The block as part of the script."""
    said = f"echo '== {block.place}' >&2\n"
    if block.language == "sh":
        return f"{said}{block.text}\n"
    name = f"block-{block.line}.{_ENDINGS[block.language]}"
    (folder / name).write_text(block.text)
    return f"{said}{_BY[block.language]} {name}\n"
