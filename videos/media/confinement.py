"""What a process that reads a stranger's file may still do, should the file take it over: next to nothing.

Linux alone, by ctypes: the two system calls of Landlock that C libraries have no name for, and one filter of system calls.
Landlock bounds which files can be opened, and hides other processes; the filter lets no socket be made, no program be started, nobody's
rights to a file be changed, and no other process be touched. Neither can be taken back. What needs no opening (names and sizes of
files) stays visible.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[2]

# linux/prctl.h, linux/seccomp.h
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

# linux/landlock.h; its system calls have the same numbers everywhere.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = (1 << bit for bit in (0, 1, 2, 3, 5, 8, 14))
# How many of its rights for files each version knows; what is not handled is not restricted.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_FILE_RIGHTS_NOW = 16
_ALL_TCP = 0b11  # bind, connect; from version 4
_ALL_SCOPES = 0b11  # abstract sockets of others, signals to others; from version 6
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE


class _Machine(NamedTuple):
    """Numbers of system calls; those of one group stand in the same order for each machine."""

    audit: int  # its name in linux/audit.h
    refused: tuple[int, ...]
    signals: tuple[int, ...]  # may go to this process alone
    bounds: tuple[int, ...]  # may be set of this process alone, which they call 0, too


# What no reader of videos needs, one line each: to talk (socket, socketpair) and run programs (execve, execveat); to look into other
# processes (ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, pidfd_open, perf_event_open); to go round the filter
# (io_uring_setup, which makes sockets too, bpf, userfaultfd, unshare, setns); to share memory and keys with processes of the same user
# (shmget, mq_open, add_key, request_key, keyctl); to signal others (pidfd_send_signal, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo)
# or slow them down (setpriority, ioprio_set); and what Landlock lets pass, to open files to others (fchmod, fchmodat, fchmodat2,
# fchown, fchownat, x86's chmod, chown and lchown) or mark them (setxattr, lsetxattr, fsetxattr, setxattrat, utimensat, x86's
# utime, utimes and futimesat).
# Then kill and tgkill; and prlimit64, sched_setaffinity, sched_setscheduler, sched_setparam, sched_setattr.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (41, 53, 59, 322,
         101, 310, 311, 438, 434, 298,
         425, 321, 323, 272, 308,
         29, 240, 248, 249, 250,
         424, 200, 129, 297,
         141, 251,
         91, 268, 452, 93, 260, 90, 92, 94,
         188, 189, 190, 463, 280, 132, 235, 261),
        (62, 234),
        (302, 203, 144, 142, 314),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (198, 199, 221, 281,
         117, 270, 271, 438, 434, 241,
         425, 280, 282, 97, 268,
         194, 180, 217, 218, 219,
         424, 130, 138, 240,
         140, 30,
         52, 53, 452, 55, 54,
         5, 6, 7, 463, 88),
        (129, 131),
        (261, 122, 119, 118, 274),
    ),
}  # fmt: skip
_OTHER_ABI = 0x40000000  # x86's x32 counts its calls from here

_libc = ctypes.CDLL(None, use_errno=True)


def lacking() -> list[str]:
    """What this machine has not of what `confine` uses: "Landlock", "seccomp"."""
    found = {"Landlock": _landlock_version() > 0, "seccomp": _has_seccomp()}
    return [name for name, there in found.items() if not there]


def confine(*, reads: Iterable[Path], works_in: Iterable[Path]) -> None:
    """From now on this process (its one thread, and what it starts) reads the files `reads`, reads and writes in the folders
    `works_in`, loads code from where Python and the system's libraries are, and opens nothing else.

    What the machine lacks is left out. OSError when what it has does not work.
    """
    version, seccomp = _landlock_version(), _has_seccomp()
    if not version and not seccomp:
        return
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if version:
        _landlock(version, list(reads), list(works_in))
    if seccomp:
        _filter_calls(_MACHINES[platform.machine()])


def _landlock_version() -> int:
    """0 where there is none: an old kernel, one without it, a container that does not let it be asked."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)))


def _has_seccomp() -> bool:
    if platform.machine() not in _MACHINES or not sys.platform.startswith("linux"):
        return False
    # A kernel that knows filters finds that this is none.
    _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT


def _landlock(version: int, reads: list[Path], works_in: list[Path]) -> None:
    handled = (1 << _FILE_RIGHTS.get(version, _FILE_RIGHTS_NOW)) - 1
    attributes = [handled] + [_ALL_TCP] * (version >= 4) + [_ALL_SCOPES] * (version >= 6)
    given = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _call("syscall", _CREATE_RULESET, given, ctypes.c_size_t(len(given)), 0)
    try:
        for place in _code():
            _allow(ruleset, place, _EXECUTE | _READ_FILE | _READ_DIR)
        for path in reads:
            _allow(ruleset, path, _READ_FILE)
        for path in works_in:
            _allow(ruleset, path, (_READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE) & handled)
        _call("syscall", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _code() -> set[str]:
    """Where what is imported or loaded late lies. Never the project's root: its `.env`, and by default CONDUIT_HOME, are there."""
    ours = {str(_ROOT), "", "."}
    python = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return python | {"/usr/lib", "/usr/lib64", "/lib", "/lib64", str(_ROOT / "videos")} | (set(sys.path) - ours)


def _allow(ruleset: int, path: Path | str, rights: int) -> None:
    with _opened(path) as place:
        if place is None:
            return
        if not os.path.isdir(place):
            rights &= _OF_A_FILE
        _call("syscall", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)


@contextmanager
def _opened(path: Path | str) -> Iterator[int | None]:
    """A handle on what may not be there: then there is nothing to allow, and opening it says so."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            raise
        yield None
        return
    try:
        yield place
    finally:
        os.close(place)


def _filter_calls(machine: _Machine) -> None:
    """Have the machine's refused calls, and every call of another machine's kind, answered with "permission denied"."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _steps(machine)))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(code)))
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)


def _steps(machine: _Machine) -> list[tuple[int, int, int, int]]:
    """The filter as linux/filter.h wants it: what to do, how many steps to leave out if it holds and if not, and with which value."""
    load, if_equal, if_at_least, answer = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K
    deny, allow = 0x00050000 | errno.EACCES, 0x7FFF0000
    number, kind, to_whom = 0, 4, 16  # where struct seccomp_data has them; of a process's number the lower half
    named = [(if_equal, call, "deny") for call in machine.refused]
    named += [(if_equal, call, "is it me") for call in machine.signals] + [(if_equal, call, "is it 0 or me") for call in machine.bounds]
    plan: list[tuple[int, int, str, str]] = [
        (load, kind, "", ""), (if_equal, machine.audit, "", "deny"),
        (load, number, "", ""), (if_at_least, _OTHER_ABI, "deny", ""),
        *((do, call, there, "") for do, call, there in named),
        (answer, allow, "", ""),
        (load, to_whom, "", ""), (if_equal, 0, "allow", ""),
        (load, to_whom, "", ""), (if_equal, os.getpid(), "allow", "deny"),
        (answer, allow, "", ""),
        (answer, deny, "", ""),
    ]  # fmt: skip
    end = len(plan)
    at = {"is it 0 or me": end - 6, "is it me": end - 4, "allow": end - 2, "deny": end - 1}
    return [
        (do, at[then] - here - 1 if then else 0, at[other] - here - 1 if other else 0, value)
        for here, (do, value, then, other) in enumerate(plan)
    ]


def _call(name: str, *arguments: object) -> int:
    """A call of the C library's; OSError when it fails."""
    answer: int = getattr(_libc, name)(*arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{name}({arguments[0]}) was refused")
    return answer
