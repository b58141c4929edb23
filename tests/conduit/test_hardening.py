"""What processes of ours keep from others on the same machine, be they of the same user."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from conduit.hardening import close_to_others
from tests.support import nursery
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4

# A parent with a secret in its environment, and a child of the same user that asks for it: before and after the parent hardens.
ASKING = f"""
import ctypes, os
from conduit.hardening import harden_process
prctl = ctypes.CDLL(None).prctl
if os.getuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})  # root reads everything
def asked():
    answer, told = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(told, b"read" if b"SECRET" in open(f"/proc/{{os.getppid()}}/environ", "rb").read() else b"missing")
        except PermissionError:
            os.write(told, b"refused")
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(answer, 100).decode()
prctl({PR_SET_DUMPABLE}, 1, 0, 0, 0)
before = asked()
harden_process()
print(before, asked())
"""


def python(words: str, **environment: str) -> str:
    given = {"PATH": os.environ["PATH"], "CONDUIT_HOME": str(scratch("hardening"))} | environment
    process = nursery.run([sys.executable, "-c", words], given)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_the_environment_of_a_hardened_process_is_not_read_by_others_of_its_user():
    """The kernel shows what a process was started with: no fork of another has that."""
    given = {"PATH": os.environ["PATH"], "CONDUIT_HOME": str(scratch("hardening")), "SECRET": "very"}
    said = subprocess.run([sys.executable, "-c", ASKING], cwd=ROOT, env=given, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert said.strip() == "read refused"


@pytest.mark.parametrize("module", ["conduit.asgi", "conduit.celery", "conduit.stack.command"])
def test_every_process_of_ours_is_hardened_before_it_reads_a_setting(module):
    words = f"""
import ctypes, os
def told(mask): return ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0), oct(os.umask(mask))
os.umask(0o022)
before = told(0o022)
if {module.endswith("command")}: import django; django.setup()
import {module}
print(*before, *told(0))
"""
    assert python(words, DJANGO_SETTINGS_MODULE="conduit.settings", CONDUIT_ENV="development") == "1 0o22 0 0o77"


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path):
    folder = tmp_path / "media"
    close_to_others(folder)
    assert not folder.exists()
    folder.mkdir()
    folder.chmod(0o755)
    close_to_others(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_folders_of_an_older_release_are_closed_at_start():
    home = scratch("older")
    for name in ("media", "work", "logs"):
        (home / name).mkdir()
        (home / name).chmod(0o755)
    python("import conduit.settings", CONDUIT_HOME=str(home), CONDUIT_ENV="development")
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("media", "work", "logs")} == {0o700}
