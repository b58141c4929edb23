"""What each process finds of its host and of itself: descriptors, disk, and the connections of a web process's pool."""

import socket

from conduit import conditions
from conduit.conditions.registry import Condition, Severity

# A clip that is looked into and the video made of it, many times over.
DISK_BYTES_MIN = 2 * 1024**3
# Of the descriptors that a process may have open.
DESCRIPTORS_SHARE = 0.9
# So many looks in a row, of five seconds each, found every connection of the pool taken and somebody waiting for one.
POOL_LOOKS = 3

DESCRIPTORS = Condition(
    name="descriptors",
    severity=Severity.DEGRADED,
    says="A process has nearly used up the files that it may have open: connections are refused then.",
    found_by=f"Each process counts its own every 5 seconds: {DESCRIPTORS_SHARE * 100:.0f} % or more of its limit are open.",
    what_to_do="Raise the limit (`ulimit -n`, LimitNOFILE=) above the streams that one process holds, or start more web processes. One "
    "whose number grows while its streams do not has a fault: restart it, and tell the people who maintain Conduit.",
)
DISK = Condition(
    name="disk",
    severity=Severity.DEGRADED,
    says="The disk on which clips are worked on, and files stored where there is no bucket, is nearly full.",
    found_by=f"Each process looks every 5 seconds: less than {DISK_BYTES_MIN // 1024**3} GiB are free in CONDUIT_HOME.",
    what_to_do="Make room on that host, or give CONDUIT_HOME a larger disk. Old scratch files are removed by themselves.",
)
POOL = Condition(
    name="database_pool",
    severity=Severity.DEGRADED,
    says="A web process has used up its connections to PostgreSQL: requests wait for one.",
    found_by="For 15 seconds all of DATABASE_POOL were taken, and somebody waited.",
    what_to_do="See PostgreSQL for statements that wait for locks or take long. If there are none: start more web processes, or raise "
    "DATABASE_POOL, and max_connections with it.",
)
CONDITIONS = (DESCRIPTORS, DISK, POOL)

_exhausted = 0


def report(process: str, *, open_files: int | None, limit: int, disk_free: int | None) -> None:
    """Say how this process and its host stand."""
    many = open_files is not None and open_files >= limit * DESCRIPTORS_SHARE
    conditions.report(DESCRIPTORS.name, subject=process, detail=f"It may have {limit} open." if many else None)
    full = disk_free is not None and disk_free < DISK_BYTES_MIN
    conditions.report(DISK.name, subject=socket.gethostname(), detail="Less is free than a video may need." if full else None)


def report_pool(process: str, *, is_used_up: bool) -> None:
    """The same of a web process's pool: whether every connection is taken and somebody waits for one."""
    global _exhausted
    _exhausted = _exhausted + 1 if is_used_up else 0
    conditions.report(POOL.name, subject=process, detail="All of its connections are taken." if _exhausted >= POOL_LOOKS else None)
