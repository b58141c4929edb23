"""Hosts of a small network on one machine: each with a name, an address and an empty root of its own. Linux, and root, alone.

Of the machine they see its programs (`/usr`, read only) and users; what they write stays in their folder. Mounts live in the namespaces of
the processes that need them, so nothing has to be taken away but the networks.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from conduit.stack.lifeline import tied
from tests.support import units
from tests.support.running import ROOT, fresh_environment
from tests.support.scratch import scratch

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
# What programs look up; of the rest of /etc a host begins with nothing.
_TAKEN = ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "pam.d",
          "security", "ssl", "alternatives", "mime.types", "services", "protocols", "localtime", "skel")  # fmt: skip
_FOLDERS = ("dev", "etc/systemd/system", "home", "opt", "proc", "root", "run", "tmp", "usr", "var/lib", "var/log", "var/tmp")


class Hosts:
    """A context manager; `add` a host at a time. `names` stands in each one's /etc/hosts, beside the hosts themselves."""

    def __init__(self, network: str, names: Mapping[str, str]) -> None:
        self._network, self._names = network, dict(names)
        self._mark = f"ct{os.getpid() % 100000}"
        self._hub = f"{self._mark}-hub"
        self._made = ExitStack()
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        self._add_namespace(self._hub)
        _ip("-n", self._hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "br0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.end()
        self._made.close()

    def add(self, name: str, address: str) -> "Host":
        namespace, number = f"{self._mark}-{name}", len(self.hosts)
        self._add_namespace(namespace)
        _ip("-n", self._hub, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("-n", self._hub, "link", "set", f"v{number}", "master", "br0", "up")
        for words in (f"addr add {address}/{self._network.rpartition('/')[2]} dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", namespace, *words.split())
        host = self.hosts[name] = Host(name, address, namespace)
        self._names[name] = address
        for one in self.hosts.values():
            lines = [f"{where} {what}" for what, where in {"localhost": "127.0.0.1", **self._names}.items()]
            one.write("/etc/hosts", "\n".join(lines) + "\n")
        return host

    def _add_namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        self._made.callback(subprocess.run, ["ip", "netns", "delete", name], check=False, capture_output=True)


class Host:
    def __init__(self, name: str, address: str, namespace: str) -> None:
        self.name, self.address = name, address
        self._namespace = namespace
        self._folder = scratch(f"host-{name}")
        self._folder.chmod(0o755)
        self.root, self._local = self._folder / "root", self._folder / "local"
        self._binds: list[tuple[Path, str]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        with _for_everybody():
            self._lay_out()

    def _lay_out(self) -> None:
        for folder in _FOLDERS:
            (self.root / folder).mkdir(parents=True)
        for folder in ("tmp", "var/tmp"):
            (self.root / folder).chmod(0o1777)
        for link in ("bin", "lib", "lib64", "sbin"):
            (self.root / link).symlink_to(f"usr/{link}")
        for taken in _TAKEN:
            there, here = Path("/etc") / taken, self.root / "etc" / taken
            if there.is_dir():
                shutil.copytree(there, here, symlinks=True)
            elif there.exists():
                shutil.copy(there, here)
        self.write("/etc/hostname", f"{self.name}\n")
        for folder in ("bin", "sbin", "lib", "share"):
            (self._local / folder).mkdir(parents=True)
        stand_in = self._local / "sbin" / "systemctl"
        stand_in.write_text("#!/usr/bin/python3\n" + Path(units.__file__).read_text())
        stand_in.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        with _for_everybody():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def bind(self, there: Path, here: str) -> None:
        """Show a folder of the machine at `here`, read only, to what runs from now on."""
        with _for_everybody():
            (self.root / here.lstrip("/")).mkdir(parents=True, exist_ok=True)
        self._binds.append((there, here))

    def run(self, text: str, *, seconds: float = 600) -> str:
        """What a script for bash prints. AssertionError with that, and its errors, when it fails or takes longer."""
        try:
            done = subprocess.run(
                self._command(["bash", "-eu", "-c", text]),
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"on {self.name}, not within {seconds:g} s:\n{text}\n{late.stdout!r}\n{late.stderr!r}") from None
        assert done.returncode == 0, f"on {self.name}:\n{text}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{self.logs()}"
        return done.stdout

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[bytes]":
        """A process that dies with this one."""
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(tied(self._command(command, environment)), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def outside(self, *command: str, pipes: bool = False, **environment: str) -> "subprocess.Popen[bytes]":
        """A process of the machine itself, in the checkout and in the host's network. `pipes`: you write and read it."""
        with (self._folder / "log").open("ab") as log:
            within = tied(["ip", "netns", "exec", self._namespace, *command])
            there, back = (subprocess.PIPE, subprocess.PIPE) if pipes else (subprocess.DEVNULL, log)
            process = subprocess.Popen(within, cwd=ROOT, env=fresh_environment() | environment, stdin=there, stdout=back, stderr=log)
        self._processes.append(process)
        return process

    def logs(self) -> str:
        """The ends of all that its processes wrote."""
        files = [self._folder / "log", *sorted((self.root / "var/log/stand-in").glob("*.log"))]
        return "\n".join(f"== {file.name}\n" + file.read_text(errors="replace")[-1500:] for file in files if file.exists())

    def end(self) -> None:
        """Kill whatever runs in its network."""
        pids = subprocess.run(["ip", "netns", "pids", self._namespace], capture_output=True, text=True, check=False).stdout
        for pid in pids.split():
            subprocess.run(["kill", "-KILL", pid], check=False, capture_output=True)
        for process in self._processes:
            process.wait(timeout=30)

    def _command(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
        mounts = ["umask 022 && mount --make-rprivate /"]
        mounts += [f"mount --bind -o ro /usr {self.root}/usr", f"mount --bind {self._local} {self.root}/usr/local"]
        mounts += [f"mount --rbind {name} {self.root}{name}" for name in ("/dev", "/proc")]
        mounts += [f"mount --bind -o ro {there} {self.root}{here}" for there, here in self._binds]
        own = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"} | dict(environment or {})
        inside = [
            "chroot",
            str(self.root),
            "env",
            "-i",
            *(f"{name}={value}" for name, value in own.items()),
            "sh",
            "-c",
            'cd; exec "$@"',
            "sh",
        ]
        script = " && ".join([*mounts, f"hostname {self.name}", f"exec {shlex.join([*inside, *command])}"])
        return ["ip", "netns", "exec", self._namespace, "unshare", "--mount", "--uts", "sh", "-c", script]


@contextmanager
def _for_everybody() -> Iterator[None]:
    """What is made is readable, as on a host; the tests' own process closes what it makes to others."""
    former = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(former)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
