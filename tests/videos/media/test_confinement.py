"""A process that reads strangers' files opens nothing but those: were it taken over, there would be nothing to take."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from videos.media import confinement

ROOT = Path(__file__).resolve().parents[3]
# Run in a process that was confined as the real one is; each attempt is told with what came of it.
ATTEMPTS = """
import ctypes, json, os, resource, socket, subprocess, sys
from pathlib import Path
import videos.media.__main__
from videos.media.confinement import confine
clip, scratch, home = map(Path, sys.argv[1:4])
parent = os.getppid()
confine(reads=[clip], works_in=[scratch])
told = {}
def attempt(name, act):
    try:
        act()
        told[name] = "done"
    except OSError as error:
        told[name] = type(error).__name__
attempt("read the clip", clip.read_bytes)
attempt("write the clip", lambda: clip.open("ab"))
attempt("write a result", lambda: (scratch / "video.mp4").write_bytes(b"x"))
attempt("read a result", (scratch / "video.mp4").read_bytes)
attempt("cut a result short", lambda: os.truncate(scratch / "video.mp4", 0))
attempt("remove a result", (scratch / "video.mp4").unlink)
attempt("import something late", lambda: __import__("xml.dom.minidom"))
attempt("find nothing", lambda: (home / "missing").read_bytes())
attempt("read the secret key", (home / "secret_key").read_bytes)
attempt("write into the home", lambda: (home / "new").write_bytes(b""))
attempt("list the home", lambda: os.listdir(home))
attempt("read the settings", Path(".env.example").read_bytes)
attempt("list the project", lambda: os.listdir("."))
attempt("read /etc", Path("/etc/passwd").read_bytes)
attempt("read the parent's environment", Path(f"/proc/{parent}/environ").read_bytes)
attempt("read the parent's memory", Path(f"/proc/{parent}/maps").read_bytes)
attempt("list the parent's files", lambda: os.listdir(f"/proc/{parent}/fd"))
attempt("signal the parent", lambda: os.kill(parent, 0))
for name in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"):
    for kind in ("SOCK_STREAM", "SOCK_DGRAM"):
        attempt(f"{name} {kind}", lambda: socket.socket(getattr(socket, name), getattr(socket, kind)).close())
attempt("make a pair of sockets", socket.socketpair)
attempt("run a program", lambda: os.execv(sys.executable, [sys.executable]))
attempt("make a link", lambda: (scratch / "link").symlink_to("/etc/passwd"))
attempt("open the home to everybody", lambda: os.chmod(home, 0o777))
attempt("open the secret key to everybody", lambda: os.chmod(home / "secret_key", 0o666))
attempt("give the secret key away", lambda: os.chown(home / "secret_key", os.getuid(), -1))
attempt("make the secret key look old", lambda: os.utime(home / "secret_key", (0, 0)))
attempt("mark the secret key", lambda: os.setxattr(home / "secret_key", "user.mark", b""))
attempt("bound the parent's processor time", lambda: resource.prlimit(parent, resource.RLIMIT_CPU, (10**6, 10**6)))
attempt("slow the parent down", lambda: os.setpriority(os.PRIO_PROCESS, parent, 19))
attempt("keep the parent to one processor", lambda: os.sched_setaffinity(parent, {min(os.sched_getaffinity(0))}))
attempt("let the parent wait for all others", lambda: os.sched_setscheduler(parent, os.SCHED_BATCH, os.sched_param(0)))
attempt("signal everybody", lambda: os.kill(-1, 0))
attempt("signal itself", lambda: os.kill(os.getpid(), 0))
attempt("look at its own bounds", lambda: resource.prlimit(0, resource.RLIMIT_CPU))
print(json.dumps(told))
"""
ALLOWED = {
    "read the clip", "write a result", "read a result", "cut a result short", "remove a result", "import something late",
    "signal itself", "look at its own bounds",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("work/mine", "work/other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "clip.mp4").write_bytes(b"a clip")
    (tmp_path / "secret_key").write_text("secret")
    return tmp_path


def attempts(home: Path, before: str = "") -> dict[str, str]:
    command = [sys.executable, "-c", before + ATTEMPTS, str(home / "clip.mp4"), str(home / "work" / "mine"), str(home)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, str] = json.loads(ran.stdout)
    return told


@pytest.mark.skipif(confinement.lacking() != [], reason="needs a kernel with Landlock and seccomp")
def test_a_confined_process_opens_nothing_but_its_files_makes_no_socket_and_runs_nothing(home):
    told = attempts(home)
    assert {name for name, outcome in told.items() if outcome == "done"} == ALLOWED
    assert told.pop("find nothing") == "FileNotFoundError"
    assert {outcome for outcome in told.values() if outcome != "done"} == {"PermissionError"}


WITHOUT_LANDLOCK = """
import ctypes, errno
import videos.media.confinement as confinement
syscall = confinement._libc.syscall
def old_kernel(number, *rest):
    if number in (444, 445, 446):
        ctypes.set_errno(errno.ENOSYS)
        return -1
    return syscall(number, *rest)
class Libc:
    prctl, syscall = confinement._libc.prctl, staticmethod(old_kernel)
confinement._libc = Libc
assert confinement.lacking() == ["Landlock"], confinement.lacking()
"""


@pytest.mark.skipif("seccomp" in confinement.lacking(), reason="needs a kernel with seccomp")
def test_on_a_kernel_without_landlock_it_works_and_still_makes_no_socket(home):
    told = attempts(home, WITHOUT_LANDLOCK)
    assert told["read the clip"] == told["write a result"] == told["read the secret key"] == "done"
    assert {outcome for name, outcome in told.items() if name.startswith("AF_")} == {"PermissionError"}
    assert told["signal the parent"] == told["slow the parent down"] == told["open the home to everybody"] == "PermissionError"


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_an_older_landlock_keeps_files_closed_too(home, version):
    if "Landlock" in confinement.lacking() or confinement._landlock_version() < version:
        pytest.skip("needs a kernel with that Landlock")
    told = attempts(home, f"import videos.media.confinement as c\nc._landlock_version = lambda: {version}\n")
    assert told["write a result"] == told["remove a result"] == "done"
    assert told["read the secret key"] == told["read the parent's environment"] == told["write into the home"] == "PermissionError"


def test_a_reader_starts_with_one_thread():
    """A confinement binds the thread that asks for it."""
    words = "import os, videos.media.__main__; print(len(os.listdir('/proc/self/task')))"
    assert subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "1\n"


@pytest.mark.skipif(confinement.lacking() != [], reason="needs a kernel with Landlock and seccomp")
def test_the_child_that_is_started_for_a_file_is_confined(home):
    """The real one, stopped at its order by a clip that is a pipe: what the kernel says of it is read from outside."""
    os.mkfifo(home / "work" / "mine" / "clip.mp4")
    order = {
        "work": "probe",
        "given": {"clip": str(home / "work" / "mine" / "clip.mp4"), "last_frame": None},
        "limits": {"seconds": 60, "cpu_seconds": 60, "memory_bytes": 1 << 30, "file_bytes": 1 << 30},
        "parent": os.getpid(),
    }
    with subprocess.Popen([sys.executable, "-m", "videos.media"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()
        try:
            until = time.monotonic() + 30
            while "Seccomp:\t2\n" not in (status := Path(f"/proc/{child.pid}/status").read_text()):
                assert time.monotonic() < until, status
                time.sleep(0.01)
            assert "NoNewPrivs:\t1\n" in status
        finally:
            child.kill()
