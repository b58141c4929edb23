"""What this process tells of itself: a row of its own, written anew every few seconds."""

import errno
import os
import platform
import resource
import shutil
import time
from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.models.functions import Now

from conduit.conditions import host
from conduit.heartbeats import own_name
from conduit.metrics.models import OwnFigures
from conduit.metrics.registry import Count, Gauge, Metric, Sample
from conduit.version import VERSION

# What a process tells counts for so long; a reader deletes its row when it is older than the second.
FRESH_SECONDS, KEPT_SECONDS = 30.0, 3600.0

BY = ("kind", "process")
INFO = Gauge("conduit_process_info", "1 for each process that is at work, with its version and Python's.", (*BY, "version", "python"))
STARTED = Gauge("conduit_process_age_seconds", "For how long a process has been at work.", BY)
CPU = Count("conduit_process_cpu_seconds_total", "Processor time that a process has used.", BY)
MEMORY = Gauge("conduit_process_memory_bytes", "Memory that a process holds.", BY)
FILES = Gauge("conduit_process_open_files", "Descriptors that a process has open.", BY)
FILES_MOST = Gauge("conduit_process_open_files_limit", "Descriptors that a process may have open.", BY)
STEPS = Gauge("conduit_process_steps", "Jobs that a worker has at hand.", BY)
DISK = Gauge("conduit_disk_free_bytes", "What is free where a process works on clips.", BY)
POOL = Gauge("conduit_database_pool_connections", "Connections to PostgreSQL of a web process's pool, by what they do.", (*BY, "state"))
POOL_WAITING = Gauge("conduit_database_pool_waiting", "Threads of a web process that wait for a connection of its pool.", BY)
METRICS: tuple[Metric, ...] = (INFO, STARTED, CPU, MEMORY, FILES, FILES_MOST, STEPS, DISK, POOL, POOL_WAITING)

# What a room adds: gauges whose first labels are kind and process, and the rest of their samples.
Told = Iterable[tuple[Metric, tuple[str, ...], float]]
_more: list[Callable[[], Told]] = []
_began = time.monotonic()


def also(told: Callable[[], Told]) -> None:
    """Have this process tell these of itself too."""
    _more.append(told)


def tell(kind: str) -> None:
    """Write how this process stands."""
    name = own_name(kind)
    samples = [metric.of(kind, name, *labels, value=value) for metric, labels, value in _figures(name)]
    OwnFigures.objects.bulk_create(
        [OwnFigures(process=name, kind=kind, told_at=Now(), samples=samples)],
        update_conflicts=True,
        unique_fields=["process"],
        update_fields=["told_at", "samples"],
    )


def leave(kind: str) -> None:
    """It ends: nobody shall take its last figures for those of now."""
    OwnFigures.objects.filter(process=own_name(kind)).delete()


def told() -> Iterator[Sample]:
    """What each process that is at work told last. One query."""
    for row in OwnFigures.objects.fresh(FRESH_SECONDS).order_by("process"):
        for name, labels, value in row.samples:
            yield Sample(name, tuple(labels), value)


def forget_old() -> None:
    OwnFigures.objects.stale(KEPT_SECONDS).delete()


def _figures(name: str) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    yield INFO, (VERSION, platform.python_version()), 1
    yield STARTED, (), time.monotonic() - _began
    yield CPU, (), time.process_time()
    yield MEMORY, (), _memory()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    open_files = _open_files(limit)
    free = shutil.disk_usage(settings.WORK_DIR).free if settings.WORK_DIR.exists() else None
    if open_files is not None:
        yield FILES, (), open_files
    yield FILES_MOST, (), limit
    if free is not None:
        yield DISK, (), free
    host.report(name, open_files=open_files, limit=limit, disk_free=free)
    yield from _pool(name)
    for more in _more:
        yield from more()


def _memory() -> float:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:  # no Linux: what it held at most
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _open_files(limit: int) -> int | None:
    """Counting takes one more: where that is refused all of the limit are open."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # the folder itself
    except OSError as error:
        return limit if error.errno == errno.EMFILE else None


def _pool(name: str) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    pool = getattr(DatabaseWrapper, "_connection_pools", {}).get(DEFAULT_DB_ALIAS)  # as it is: asking for it by Django would make one
    if pool is None:
        return
    stats = pool.get_stats()
    size, free = stats.get("pool_size", 0), stats.get("pool_available", 0)
    yield POOL, ("used",), size - free
    yield POOL, ("free",), free
    yield POOL, ("unopened",), stats.get("pool_max", size) - size
    waiting = stats.get("requests_waiting", 0)
    yield POOL_WAITING, (), waiting
    host.report_pool(name, is_used_up=bool(waiting) and not free and size >= stats.get("pool_max", size))
