"""What systemd makes of the units in ops/systemd: command, environment, user and limits of each.

Copied onto a host that systemd does not run, it is a `systemctl` that knows what docs/operating.md needs: enable, start, stop, restart,
reload and is-active, of units of ours and of servers that bring their own. It needs nothing but the standard library.
"""

import os
import pwd
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UNITS = Path("/etc/systemd/system")
STATE, LOGS = Path("/run/stand-in"), Path("/var/log/stand-in")
# Units that come with Debian's packages: what they start, in the foreground.
SERVERS = {
    "nginx": ["/usr/sbin/nginx", "-g", "daemon off;"],
    "prometheus": ["/usr/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/var/lib/prometheus"],
}
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Unit:
    """One of the files; `instance` is what stands after the @ of its name."""

    def __init__(self, path: Path, instance: str = "") -> None:
        self._text = path.read_text()
        self._instance = instance

    def values(self, name: str) -> list[str]:
        return re.findall(rf"^{name}=(.*)$", self._text, re.MULTILINE)

    def value(self, name: str, default: str = "") -> str:
        return (self.values(name) or [default])[-1]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What it sets itself, then what its EnvironmentFile holds, or `more` in its place."""
        own = dict(pair.split("=", 1) for line in self.values("Environment") for pair in shlex.split(line))
        if more is None:
            lines = [line for name in self.values("EnvironmentFile") for line in Path(name).read_text().splitlines()]
            more = dict(line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))
        return own | dict(more)

    def command(self, environment: Mapping[str, str]) -> list[str]:
        words = self.value("ExecStart").replace("%%", "\0").replace("%i", self._instance).replace("\0", "%").split()
        return [_VARIABLE.sub(lambda found: environment[found[1]], word) for word in words]

    @property
    def descriptors(self) -> int:
        return int(self.value("LimitNOFILE", "1024"))

    @property
    def stop_seconds(self) -> float:
        return float(self.value("TimeoutStopSec", "90"))


# ---- In systemd's place


def _unit(name: str) -> Unit:
    stem, _, instance = name.removesuffix(".service").partition("@")
    return Unit(UNITS / (f"{stem}@.service" if instance else f"{stem}.service"), instance)


def _start(name: str) -> None:
    if _pid(name):
        return
    STATE.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        if name in SERVERS:
            process = subprocess.Popen(SERVERS[name], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        else:
            process = _as_its_user(_unit(name), log)
    (STATE / name).write_text(str(process.pid))


def _as_its_user(unit: Unit, log: Any) -> "subprocess.Popen[bytes]":
    user = pwd.getpwnam(unit.value("User"))
    state = Path("/var/lib") / unit.value("StateDirectory")
    state.mkdir(mode=int(unit.value("StateDirectoryMode"), 8), exist_ok=True)
    os.chown(state, user.pw_uid, user.pw_gid)
    environment = {"PATH": os.defpath, "HOME": user.pw_dir, "USER": user.pw_name} | unit.environment()
    number = unit.descriptors
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, max(number, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    return subprocess.Popen(
        unit.command(environment),
        cwd=unit.value("WorkingDirectory"),
        env=environment,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        umask=int(unit.value("UMask"), 8),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _stop(name: str) -> None:
    pid = _pid(name)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + (15 if name in SERVERS else _unit(name).stop_seconds)
    while _pid(name):
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            raise SystemExit(f"{name} did not end in the time that its unit gives it")
        time.sleep(0.05)


def _pid(name: str) -> int | None:
    """Of the process, while it runs."""
    try:
        pid = int((STATE / name).read_text())
        return None if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z" else pid
    except (FileNotFoundError, ProcessLookupError):
        return None


def _meant(names: Sequence[str]) -> list[str]:
    """A target means all that is enabled; a pattern such as conduit-web@* what runs and fits."""
    listed = STATE / "enabled"
    enabled = listed.read_text().split() if listed.exists() else []
    return [unit for name in names for unit in (enabled if name.endswith(".target") else [name.removesuffix(".service")])]


def main(action: str, names: Sequence[str]) -> int:
    names = [name for name in names if not name.startswith("-")]
    if action == "enable":
        STATE.mkdir(parents=True, exist_ok=True)
        with (STATE / "enabled").open("a") as file:
            file.writelines(f"{name}\n" for name in names if not name.endswith(".target"))
    elif action == "is-active":
        return 0 if all(_pid(name) for name in _meant(names)) else 3
    elif action == "reload":
        for name in _meant(names):
            os.kill(_pid(name) or 0, signal.SIGHUP)
    elif action in ("start", "stop", "restart"):
        for name in _meant(names):
            if action != "start":
                _stop(name)
            if action != "stop":
                _start(name)
    elif action != "daemon-reload":
        raise SystemExit(f"systemctl: this stand-in knows no {action}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
