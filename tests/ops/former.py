"""The version from which a place is upgraded: the last that has a tag, or else the one before `/metrics` came."""

import subprocess
import tarfile
from pathlib import Path

from tests.support.scratch import scratch

ROOT = Path(__file__).parents[2]
BEFORE_METRICS = "1c3a23b^"
# Whose tables both versions use.
ROOMS = ("conduit", "keys", "tasks", "videos")


def former() -> str:
    """Its commit."""
    tagged = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match=v*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return tagged.stdout.strip() or BEFORE_METRICS


def tree() -> Path:
    """A folder with its files."""
    folder = scratch("former")
    folder.chmod(0o755)
    packed = folder / "tree.tar"
    subprocess.run(["git", "archive", f"--output={packed}", former()], cwd=ROOT, check=True)
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "tree", filter="data")
    return folder / "tree"


def with_todays_tables(old: Path) -> Path:
    """The same tree, whose migrations are today's: its processes find what they find during an upgrade."""
    for room in ROOMS:
        for migrations in (ROOT / room).rglob("migrations"):
            there = old / migrations.relative_to(ROOT)
            if there.is_dir():  # an app that it knows
                for file in migrations.glob("*.py"):
                    (there / file.name).write_text(file.read_text())
    # Its tests empty the tables that they know: others refer to those now.
    restoring = old / "tests/support/restoring.py"
    restoring.write_text(restoring.read_text().replace('"TRUNCATE {}"', '"TRUNCATE {} CASCADE"'))
    return old
