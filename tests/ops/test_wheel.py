"""The wheel holds all that runs, installs without a network, and its place needs one folder that can be written."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conduit.stack.ports import free_port
from tests.support.check_demo import faults
from tests.support.scratch import scratch

ROOT = Path(__file__).parents[2]
# Who has no right to anything here.
NOBODY = 65534

pytestmark = pytest.mark.soak  # it builds wheels, and installs them


@pytest.fixture(scope="module")
def installed(wheels: Path) -> Path:
    """By uv, from the folder of wheels, in a namespace without a network: the folder of the commands."""
    folder = scratch("tool")
    folder.chmod(0o755)
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    uv = str(Path(sys.executable).parent / "uv")
    command = ["unshare", "-rn", uv, "tool", "install", "--offline", "--no-index", "--find-links", str(wheels)]
    command += ["--python", "/usr/bin/python3", "conduit"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return folder / "bin"


def test_the_wheel_holds_each_file_of_the_tree_that_runs(wheels):
    [wheel] = wheels.glob("conduit-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    moved = re.compile(r"^(templates|ops)/|^Procfile$")
    ours = {name if name.startswith(("conduit/", "keys/", "tasks/", "videos/")) else f"conduit/shipped/{name}" for name in listed
            if name.startswith(("conduit/", "keys/", "tasks/", "videos/")) or moved.match(name)}  # fmt: skip
    assert {name for name in packed if ".dist-info/" not in name} == ours


def test_its_command_is_manage_py_s(installed):
    said = subprocess.run([installed / "conduit", "help"], capture_output=True, text=True, check=True, env=home(scratch("help"))).stdout
    assert {"demo", "run", "doctor", "migrate", "create_key", "drain", "after_restore"} <= set(said.split())


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts things read only, and becomes somebody else")
def test_a_demo_of_an_ordinary_user_writes_to_conduit_home_alone_and_needs_no_network(installed):
    folder = scratch("readonly")
    shutil.chown(folder, NOBODY, NOBODY)
    given = home(folder) | {"PORT": str(free_port()), "ONCE": "1", "HOME": "/nonexistent", "MINIMAX_TIME_SCALE": "0.01"}
    script = "mount --make-rprivate / && mount --bind {0} {0} && mount -o remount,bind,ro / && ip link set lo up && cd / && exec setpriv "
    script += "--reuid={1} --regid={1} --clear-groups {2} demo"
    command = ["unshare", "--net", "--mount", "sh", "-c", script.format(folder, NOBODY, installed / "conduit")]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=300)

    assert (done.returncode, done.stderr) == (0, "")
    assert faults(folder / "demo") == []


def home(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "CONDUIT_HOME": str(folder)}
