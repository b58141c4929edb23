"""What is shipped to run the place starts what the Procfile starts, and is as closed as it says."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from conduit.stack.ports import free_port
from tests.support.databases import database_url

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "ops" / "systemd").glob("*.service"))
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line and not line.startswith("#"))
_DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")


def setting(unit, name):
    """All values of a setting of a unit's file."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def environment(unit):
    return dict(pair.split("=", 1) for line in setting(unit, "Environment") for pair in line.split())


def kind(unit):
    return unit.stem.removeprefix("conduit-").rstrip("@")


def test_there_is_a_unit_for_each_line_of_the_procfile():
    assert {kind(unit) for unit in UNITS} == set(PROCFILE)


@pytest.mark.parametrize("unit", UNITS, ids=kind)
def test_a_unit_starts_what_the_procfile_starts_with_the_same_defaults(unit):
    line = PROCFILE[kind(unit)]
    defaults = dict(_DEFAULT.findall(line))
    asked = [word for word in shlex.split(_DEFAULT.sub(r"\1", line)) if word != "env" and not word.startswith("DATABASE_POOL=")]

    [start] = setting(unit, "ExecStart")
    program, *arguments = start.replace("%%h", "%h").split()
    given = [Path(program).name, *(word.strip("${}") if word.startswith("$") else word.replace("%i", "PORT") for word in arguments)]

    assert given == asked
    own = environment(unit)
    assert {name: own[name] for name in defaults if name != "PORT"} == {name: value for name, value in defaults.items() if name != "PORT"}
    assert own["CONDUIT_ENV"] == "production"


@pytest.mark.soak  # it wants Debian's systemd, which `make soak` installs
@pytest.mark.parametrize("unit", UNITS, ids=kind)
def test_systemd_finds_nothing_wrong_with_a_unit_and_little_exposed(unit, tmp_path):
    for file in (ROOT / "ops" / "systemd").iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("/opt/conduit/.venv/bin", str(Path(sys.executable).parent)))
    name = unit.name.replace("@", "@8000")
    verify = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False)
    assert (verify.returncode, verify.stdout + verify.stderr) == (0, "")
    exposed = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(tmp_path / unit.name)]
    assert subprocess.run(exposed, capture_output=True, check=False).returncode == 0


# ---- The image


def test_the_image_takes_all_that_runs():
    taken = set(re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "ops" / "container" / "Dockerfile").read_text(), re.MULTILINE))
    assert {name for line in taken for name in line.split()} == {
        *("manage.py", "Procfile", "requirements.txt", "conduit", "keys", "tasks", "videos", "templates"),
        "ops/container/entrypoint.sh",
    }


def entrypoint(*arguments, **given):
    beside = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LOG_LEVEL": "WARNING"} | given
    command = [str(ROOT / "ops" / "container" / "entrypoint.sh"), *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=beside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_what_starts_in_the_image_is_a_line_of_the_procfile_or_a_command():
    with entrypoint("help", "doctor", DJANGO_SETTINGS_MODULE="tests.settings") as command:
        assert "--quiet" in command.communicate(timeout=180)[0]


@pytest.mark.django_db(transaction=True)
def test_a_web_process_in_the_image_serves_and_hears_that_it_is_to_stop(tmp_path):
    port = free_port()
    given = {
        "DATABASE_URL": database_url(),
        "CONDUIT_ENV": "development",
        "CONDUIT_HOME": str(tmp_path),
        "PORT": str(port),
        "BIND": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "conduit.settings",
    }
    with entrypoint("web", **given) as web:
        try:
            until = time.monotonic() + 180
            while True:
                try:
                    assert requests.get(f"http://127.0.0.1:{port}/health/live", timeout=5).status_code == 200
                    break
                except requests.RequestException:
                    assert time.monotonic() < until, web.poll()
                    time.sleep(0.1)
            web.send_signal(signal.SIGTERM)
            assert web.wait(90) == 0
        finally:
            web.kill()
