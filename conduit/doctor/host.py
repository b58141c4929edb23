"""This host, and what its processes are told."""

import resource
import shutil
from collections.abc import Iterator

from django.conf import settings

from conduit.checks import problems
from conduit.conditions import Severity
from conduit.conditions.host import DISK_BYTES_MIN
from conduit.doctor.registry import Finding

# What a web process has open beside its streams.
DESCRIPTORS_BESIDE = 100


def settings_are_safe() -> Iterator[Finding]:
    found = list(problems())
    for problem in found:
        yield Finding(problem, Severity.UNAVAILABLE, "No process starts in production until it is put right.")
    if not found:
        kind = "production" if settings.PRODUCTION else "development: nothing is refused, and a sandbox may stand in for MiniMax"
        yield Finding(f"The settings are fit for {kind}.")


def has_room() -> Iterator[Finding]:
    """Descriptors and disk of this host, as the doctor's own process has them."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.STREAMS_MAX + DESCRIPTORS_BESIDE
    if descriptors < needed:
        yield Finding(
            f"{descriptors} files may be open at once, and a web process with all its streams has {needed}.",
            Severity.NOTICE,
            f"Raise the limit (`ulimit -n`, LimitNOFILE=) to {needed} for web processes, or lower STREAMS_MAX.",
        )
    else:
        yield Finding(f"{descriptors} files may be open at once.")
    # One that is not there yet is made by who works in it: a folder that root made would be closed to them.
    there = next(folder for folder in (settings.WORK_DIR, *settings.WORK_DIR.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    words = f"{free / 1024**3:.1f} GiB are free where clips are worked on ({settings.WORK_DIR})."
    if free < DISK_BYTES_MIN:
        yield Finding(words, Severity.DEGRADED, f"Give it {DISK_BYTES_MIN // 1024**3} GiB at least.")
    else:
        yield Finding(words)
