"""What is built once for the tests of what is shipped."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The folder that `make wheels` makes; or one that it made before, where CONDUIT_TEST_WHEELS names it."""
    if made_before := os.environ.get("CONDUIT_TEST_WHEELS"):
        return Path(made_before)
    made = subprocess.run(["make", "wheels"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert made.returncode == 0, made.stdout + made.stderr
    return ROOT / "dist"
