"""During an upgrade the former version goes on beside the new one: migrations widen tables first."""

import os
import subprocess
import sys

import pytest

from tests.ops import former

pytestmark = pytest.mark.soak

HOT_PATHS = (
    "tests/web/test_quick_creates.py",
    "tests/web/test_quick_reads.py",
    "tests/web/test_quick_lists.py",
    "tests/videos/test_generations_create.py",
    "tests/api/test_idempotency.py",
    "tests/tasks/test_lifecycle.py",
    "tests/tasks/test_leases.py",
    "tests/engine/test_creates.py",
)


def test_the_former_version_s_hot_paths_work_on_today_s_tables():
    old = former.with_todays_tables(former.tree())
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:randomly", "-p", "no:cacheprovider", *HOT_PATHS]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CONDUIT_", "DJANGO_", "PYTEST_"))}
    done = subprocess.run(command, cwd=old, env=clean, capture_output=True, text=True, check=False, timeout=1200)

    print(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
