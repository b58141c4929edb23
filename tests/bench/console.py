"""`make bench-console`: the console at a million tasks, and what it costs while people watch.

Each address of tests/support/console_addresses.py is asked over loopback of a real web process, and its queries' plans are looked
at. "busy ms" is the processor time of that process and PostgreSQL for each try, which other work on the machine does not lengthen.
Then so many dashboards watch while tasks live at so many events a second: processor time of the web process, of PostgreSQL, and of
control, which counts. Exits with 1 when an address took more than 300 ms, answered anything but 200, or reads a whole table, and when
who watches costs the web process more than half a core. With the defaults it takes about ten minutes on two cores that do nothing else.
"""

import argparse
import json
import logging
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.test import Client

    from tests.support.many import Many
    from tests.support.web import Web

ROOT = Path(__file__).resolve().parents[2]
MILLISECONDS_MAX = 300
ANSWER_SECONDS_MAX = 60.0
# Of a core, by the web process while all dashboards are open.
WATCHED_MAX = 0.5
# Of one session: a process serves twenty sockets of each at most.
SOCKETS_OF_SESSION = 20
WARM_UP_SECONDS = 5.0
# Events a second that one process makes, on a machine that is busy too.
RATE_OF_PROCESS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.console", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000, help="how many there are (default: 1,000,000)")
    parser.add_argument("--tries", type=int, default=7, help="of each address (default: 7)")
    parser.add_argument("--only", default="", help="addresses whose name holds this")
    parser.add_argument("--dashboards", type=int, default=200, help="that watch (default: 200; 0: none)")
    parser.add_argument("--rates", default="20", help="events a second, several with commas (default: 20)")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured at each rate (default: 60)")
    wanted = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with _prepared() as server:
        many = _fill(wanted.tasks)
        slow = _pages(server, many, wanted.tries, wanted.only)
        rates = [float(rate) for rate in wanted.rates.split(",")] if wanted.dashboards else []
        dear = [rate for rate in rates if _watched(server, wanted.dashboards, rate, wanted.seconds) > WATCHED_MAX]
    return 1 if slow or dear else 0


@contextmanager
def _prepared() -> Iterator[Any]:
    os.environ.pop("CONDUIT_TEST_DATABASE", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    import psycopg
    from django.core.management import call_command

    from tests import settings as test_settings

    logging.disable(logging.ERROR)  # the table is to be read
    with psycopg.connect(test_settings.POSTGRES.url(), autocommit=True) as server:
        server.execute("CREATE DATABASE conduit")
    call_command("migrate", verbosity=0)
    yield test_settings.POSTGRES


def _fill(tasks: int) -> "Many":
    from django.db import connection

    from tests.bench.filling import indexes_in_the_end
    from tests.support.many import TABLES, make_many

    began = time.monotonic()
    with indexes_in_the_end([table._meta.db_table for table in TABLES]):
        many = make_many(tasks, keys=500, seconds_between=2.6)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")  # as autovacuum would have by then
    print(f"{tasks:,} tasks of {many.keys} keys made in {time.monotonic() - began:.0f} s")
    return many


# ---- Pages -------------------------------------------------------------------------------------------------------------


@dataclass
class Measured:
    """How one address was answered."""

    name: str
    status: int
    milliseconds: list[float] = field(default_factory=list)
    processor: float = 0.0  # ms of each try, of the web process and PostgreSQL together
    queries: int = 0
    problems: Sequence[str] = ()

    @property
    def fault(self) -> str:
        """What is not as it should be."""
        if self.status != 200:
            return f"answered {self.status}" if self.status else "not answered"
        if self.problems:
            return "plan"
        slowest = max(self.milliseconds)
        return f"{slowest:.0f} ms, busy for {self.processor:.0f} of them" if slowest > MILLISECONDS_MAX else ""


def _pages(server: Any, many: "Many", tries: int, only: str) -> int:
    """Print the table, and return how many addresses are not as they should be."""
    from tests.support.console_addresses import ADDRESSES
    from tests.support.web import Web

    web = Web(DATABASE_POOL="8", LOG_LEVEL="WARNING").start()
    slow = []
    try:
        cookie = _cookies(web, 1)[0]
        print(f"\nEach asked {tries} times, load {os.getloadavg()[0]:.1f}")
        print(f"{'address':<40} {'status':>6} {'p50 ms':>8} {'max ms':>8} {'busy ms':>8} {'queries':>8}")
        wanted = [address for address in ADDRESSES if only in address.name]
        for address in wanted:
            measured = _ask(server, web, cookie, address.name, f"/admin/{address.path(many)}", tries, address.most)
            p50, most = statistics.median(measured.milliseconds or [0.0]), max(measured.milliseconds, default=0.0)
            figures = f"{p50:>8.1f} {most:>8.1f} {measured.processor:>8.1f} {measured.queries:>8}"
            print(f"{address.name[:40]:<40} {measured.status:>6} {figures}", flush=True)
            for problem in measured.problems:
                print(f"    {problem[:300]}")
            slow += [f"{address.name} ({measured.fault})"] if measured.fault else []
    finally:
        web.stop()
    print(f"\n{len(wanted)} of {len(ADDRESSES)} addresses, load {os.getloadavg()[0]:.1f}. Not as they should be: {len(slow)}")
    print("".join(f"  {one}\n" for one in slow), end="", flush=True)
    return len(slow)


def _ask(server: Any, web: "Web", cookie: str, name: str, path: str, tries: int, most: int) -> Measured:
    import requests
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.support.plans import plan_problems

    with requests.Session() as session:
        session.trust_env = False
        session.headers["Cookie"] = cookie
        measured = Measured(name, 0)

        def get() -> int:
            return session.get(web.url + path, timeout=ANSWER_SECONDS_MAX, allow_redirects=False).status_code

        try:
            measured.status = get()
            busy = _busy(server, web)
            for _ in range(tries):
                began = time.perf_counter()
                get()
                measured.milliseconds.append((time.perf_counter() - began) * 1000)
        except requests.RequestException:  # the others are asked all the same
            measured.status = 0
    if measured.status != 200:
        return measured
    measured.processor = (_busy(server, web) - busy) / tries * 1000
    client = _client()
    with CaptureQueriesContext(connection) as asked:
        client.get(path)
    measured.queries = len(asked)
    measured.problems = plan_problems(lambda: client.get(path), most=most)
    return measured


def _busy(server: Any, web: "Web") -> float:
    """Processor seconds of both until now: what other work on the machine cannot make longer."""
    return _processor_seconds(web.pid) + _of_postgresql(server)


def _client() -> "Client":
    """A browser of an administrator's, logged in to no process in particular."""
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench", defaults={"is_staff": True, "is_superuser": True})
    client = Client()
    client.force_login(user)
    return client


def _cookies(web: "Web", sessions: int) -> list[str]:
    """The cookies of so many logins to that process, which has names of its own for them."""
    import requests

    (csrf,) = requests.get(f"{web.url}/admin/login/", timeout=30).cookies.keys()
    return [f"{csrf.replace('csrf', 'session')}={_client().session.session_key}" for _ in range(sessions)]


# ---- People who watch --------------------------------------------------------------------------------------------------


def _watched(server: Any, dashboards: int, rate: float, seconds: float) -> float:
    """Processor time of each process while so many first pages are open and tasks live. Gives the web process's share of a core."""
    from tests.support.procfile_processes import ProcfileProcess
    from tests.support.web import Web

    web = Web(DATABASE_POOL="8", LOG_LEVEL="WARNING").start()
    control, beat = ProcfileProcess("control", LOG_LEVEL="WARNING"), ProcfileProcess("beat", LOG_LEVEL="WARNING")
    try:
        with _dashboards(web, dashboards) as messages, _tasks_that_live(rate):
            time.sleep(WARM_UP_SECONDS)
            before, came, began, events = _used(server, web, control), messages(), time.monotonic(), _events()
            time.sleep(seconds)
            took = time.monotonic() - began
            used = {name: after - before[name] for name, after in _used(server, web, control).items()}
            heard, events = messages() - came, _events() - events
        print(f"\n{dashboards} dashboards, {events / took:.1f} of {rate:g} events/s, {took:.0f} s, load {os.getloadavg()[0]:.1f}:")
        for name, processor in used.items():
            print(f"  {name:<12} {processor / took:>6.1%} of a core ({processor:.1f} s)")
        print(f"  {heard / took / max(1, dashboards):.1f} messages a second to each dashboard", flush=True)
        return used["web"] / took
    finally:
        for process in (web, control, beat):
            process.stop()


def _events() -> int:
    from tasks.models import TaskEvent

    return TaskEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]


def _used(server: Any, web: "Web", control: Any) -> dict[str, float]:
    """Processor seconds until now. PostgreSQL's are those of its processes, the ended ones too."""
    return {
        "web": _processor_seconds(web.pid),
        "control": _processor_seconds(control.pid),
        "PostgreSQL": _of_postgresql(server),
    }


def _of_postgresql(server: Any) -> float:
    return sum(_processor_seconds(pid) for pid in [server.pid, *_children(server.pid)]) + _of_ended_children(server.pid)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _processor_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _of_ended_children(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def _dashboards(web: "Web", count: int) -> Iterator[Any]:
    """So many open first pages; what you get tells how many messages they got in all until now."""
    cookies = _cookies(web, -(-count // SOCKETS_OF_SESSION))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.dashboards", str(web.port), str(count)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def ask(line: str) -> str:
        stdin.write(line + "\n")
        stdin.flush()
        return stdout.readline()

    try:
        if ask(json.dumps(cookies)) != "ready\n":
            raise RuntimeError("not all dashboards could connect")
        yield lambda: int(ask("how many?"))
    finally:
        process.kill()
        process.wait()


@contextmanager
def _tasks_that_live(rate: float) -> Iterator[None]:
    """Tasks that are created, begun and completed, each change an event, so many a second."""
    count = math.ceil(rate / RATE_OF_PROCESS)
    command = [sys.executable, "-m", "tests.bench.living"]
    processes = [
        subprocess.Popen([*command, str(rate / count), str(number)], cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout
            process.stdout.readline()  # it has begun
        yield
        if any(process.poll() is not None for process in processes):
            raise RuntimeError("no tasks lived")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    from tests.support.databases import database_url

    return os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "ERROR"}


if __name__ == "__main__":
    sys.exit(main())
