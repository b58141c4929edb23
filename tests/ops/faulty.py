"""A place in production's manner whose every part can be made to fail, and who watches it: Prometheus, the doctor, and Now.

The Procfile's processes, two of each kind, on one machine; MiniMax is three accounts that do as a test says, S3 is moto behind a wire that
can be cut, and `CONDUIT_HOME` a disk that can be made full. Linux, and root, alone.
"""

import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import boto3
import psycopg
import requests
from moto.server import ThreadedMotoServer

from conduit.stack.environment import for_processes
from conduit.stack.files import tail
from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from conduit.stack.service import Service
from tests.support.fleet import _by_another_clock
from tests.support.lookalike import LookAlike
from tests.support.postgres import Postgres
from tests.support.relay import Relay
from tests.support.running import ROOT, fresh_environment
from tests.support.scratch import scratch
from tests.support.valkey import ValkeyForTests

TWO_OF_EACH = [f"{kind} {number}" for kind in ("web", "worker", "media", "notifications") for number in (1, 2)] + ["control", "beat"]
BUCKET, PASSWORD = "results", "a password of nobody's"
START_SECONDS, LOOK_SECONDS = 300.0, 1.0


class Faulty:
    """A context manager: the place, and what Now (`needs`), Prometheus (`alerts`) and the doctor (`doctor`) say of it."""

    def __init__(self) -> None:
        self.home = scratch("faulty")
        self.postgres, self.valkey = Postgres(), ValkeyForTests()
        self.ports = {"web 1": free_port(), "web 2": free_port()}
        self.url = f"http://127.0.0.1:{self.ports['web 1']}"
        self.processes: dict[str, Service] = {}
        self._commands = read_procfile(ROOT / "Procfile")
        self._token = secrets.token_urlsafe(20)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._serve(starting)
            self._start_processes(starting)
            self._watch(starting)
            self._started = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    # ---- What it stands on

    def _serve(self, starting: ExitStack) -> None:
        self.postgres.start()
        starting.callback(self.postgres.stop)
        self.valkey.start()
        starting.callback(self.valkey.stop)
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE conduit")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8g", "home", str(self.home)], check=True)
        starting.callback(subprocess.run, ["umount", "--lazy", str(self.home)], check=False)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a failure is found among the lines of it
        storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        storage.start()
        starting.callback(storage.stop)
        self._s3 = f"http://127.0.0.1:{storage.get_host_and_port()[1]}"
        self.make_bucket()
        self.wire_to_storage = starting.enter_context(Relay(storage.get_host_and_port()[1]))
        self.accounts = [starting.enter_context(LookAlike()) for _ in range(3)]
        first = self.accounts[0]
        own = {
            "CONDUIT_ENV": "production",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": self.postgres.url("conduit"),
            "REDIS_URL": self.valkey.url,
            "PUBLIC_URL": "http://video.intranet",
            "PUBLIC_HTTP": "true",
            "ALLOWED_HOSTS": "video.intranet,127.0.0.1",
            "MINIMAX_API_KEY": first.key,
            "MINIMAX_BASE_URL": first.url,
            "MINIMAX_POLL_SECONDS": "0.5",
            "RETRY_SECONDS": "1",
            "OUTBOUND_HTTP": "true",
            "OUTBOUND_ALLOWED": "127.0.0.1:*",
            "METRICS_TOKEN": self._token,
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self.wire_to_storage.port}",
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY_ID": "id",
            "S3_SECRET_ACCESS_KEY": "secret",
        }
        self._environment = fresh_environment() | own
        self.manage("migrate", "--verbosity=0")
        self.manage("createsuperuser", "--noinput", "--username=ann", "--email=", DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        self.secret = self.manage("create_key", "tests").strip()
        self.managers = [self.manage("create_management_key", f"manager {number}").split()[-1] for number in range(3)]

    def make_bucket(self) -> None:
        self._bucket("create_bucket")

    def lose_bucket(self) -> None:
        boto3.resource("s3", **self._storage()).Bucket(BUCKET).objects.all().delete()
        self._bucket("delete_bucket")

    def _bucket(self, action: str) -> None:
        getattr(boto3.client("s3", **self._storage()), action)(Bucket=BUCKET)

    def _storage(self) -> dict[str, Any]:
        return {"endpoint_url": self._s3, "region_name": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}

    # ---- Its processes

    def _start_processes(self, starting: ExitStack) -> None:
        starting.callback(self._stop)
        for name in TWO_OF_EACH:
            self.start(name)
        self.until(lambda: all(self._answers(name) for name in self.ports), START_SECONDS)

    def stop(self, name: str) -> None:
        """In good order, and wait until it has ended."""
        self.processes[name].terminate()
        self.until(lambda: self.processes[name].ended() is not None, START_SECONDS)

    def start(self, name: str, *, clock: str | None = None) -> None:
        """A line of the Procfile: `worker 1`. `clock`: of a host that goes by another time, such as `+3s`."""
        kind = name.partition(" ")[0]
        own = for_processes(self._environment, home=self.home, port=self.ports.get(name, 8000))
        own["DATABASE_POOL"] = "2" if name == "web 2" else "8"
        log = self.home / "logs" / f"{name.replace(' ', '-')}.log"
        log.parent.mkdir(exist_ok=True)
        own |= _by_another_clock(clock) if clock else {}
        command = ["/bin/sh", "-c", f"exec {self._commands[kind]}"]
        self.processes[name] = Service(name, command, environment=own, folder=ROOT, log=log)
        self.processes[name].start()

    def signal(self, number: signal.Signals, *names: str) -> None:
        """To each of these and what it started."""
        for name in names:
            with suppress(ProcessLookupError):
                os.killpg(self.processes[name].pid or 0, number)

    def _stop(self) -> None:
        for process in self.processes.values():
            process.kill()

    def manage(self, *arguments: str, check: bool = True, **environment: str) -> str:
        own = for_processes(self._environment, home=self.home, port=8000) | environment
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=own, check=check, stdout=subprocess.PIPE, text=True, timeout=START_SECONDS).stdout

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url("conduit")) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def call(self, method: str, path: str, *, manager: int | None = None, web: str = "web 1", **options: Any) -> requests.Response:
        secret = self.secret if manager is None else self.managers[manager]
        headers = {"Authorization": f"Bearer {secret}"}
        return requests.request(method, f"http://127.0.0.1:{self.ports[web]}{path}", headers=headers, timeout=30, **options)

    def status(self, task: str) -> str:
        return str(self.call("GET", f"/v1/tasks/{task}").json()["status"])

    def make(self, prompt: str) -> str:
        answer = self.call("POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": prompt})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def _answers(self, name: str) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"http://127.0.0.1:{self.ports[name]}/health/ready", timeout=2).status_code == 200
        return False

    # ---- Who watches

    def _watch(self, starting: ExitStack) -> None:
        folder, port = scratch("prometheus"), free_port()
        (folder / "token").write_text(self._token)
        targets = [f"127.0.0.1:{port}" for port in self.ports.values()]
        job = {
            "job_name": "conduit",
            "scrape_interval": "1s",
            "authorization": {"credentials_file": str(folder / "token")},
            "static_configs": [{"targets": targets}],
        }
        every = {"scrape_timeout": "1s", "evaluation_interval": "1s"}
        rules = [str(ROOT / "ops/prometheus/conduit.rules.yml")]
        (folder / "prometheus.yml").write_text(json.dumps({"global": every, "rule_files": rules, "scrape_configs": [job]}))
        command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(tied([*command, f"--web.listen-address=127.0.0.1:{port}"]), stdout=log, stderr=log)
        starting.callback(process.wait)
        starting.callback(process.terminate)
        self._prometheus = f"http://127.0.0.1:{port}"
        self._console = starting.enter_context(requests.Session())
        answer = self.log_in(self._console, PASSWORD)
        assert answer.status_code == 200, answer.text
        self.until(lambda: self.alerts() is not None, START_SECONDS)

    def log_in(self, session: requests.Session, password: str, *, web: str = "web 1") -> requests.Response:
        """Send the form of the first web process to this one."""
        page = session.get(f"{self.url}/admin/login/", timeout=30).text
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
        given = {"username": "ann", "password": password, "csrfmiddlewaretoken": token}
        url = f"http://127.0.0.1:{self.ports[web]}"
        return session.post(f"{url}/admin/login/", data=given, headers={"Referer": url}, timeout=30)

    def now(self) -> str:
        """The console's first page, as a browser gets it."""
        with suppress(requests.RequestException):
            return self._console.get(f"{self.url}/admin/", timeout=20).text
        return ""

    def needs(self) -> dict[str, str]:
        """What it says that it needs somebody for, by condition."""
        return dict(re.findall(r'<li id="need-(\w+)"(.*?)</li>', self.now(), re.DOTALL))

    def alerts(self) -> set[str] | None:
        """The alerts that are told now; None when Prometheus does not answer."""
        try:
            said = requests.get(f"{self._prometheus}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
        except (requests.RequestException, KeyError):
            return None
        return {one["labels"]["alertname"] for one in said if one["state"] == "firing"}

    def doctor(self) -> list[dict[str, str]]:
        """What it finds that is not well."""
        said = json.loads(self.manage("doctor", "--json", check=False))
        return [found for found in said["findings"] if found["status"] != "well"]

    def until(self, true: Callable[[], bool], seconds: float, *, lacks: Callable[[], object] = str) -> float:
        """Wait until it becomes true, and say after how many seconds it was."""
        began = time.monotonic()
        while not true():
            took = time.monotonic() - began
            assert took < seconds, f"not within {seconds:g} s; still lacks {lacks()}\n{self._ends_of_logs()}"
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def _ends_of_logs(self) -> str:
        return "\n".join(f"== {name}\n" + "\n".join(tail(one.log, 4)) for name, one in self.processes.items() if one.log.exists())


def resize(folder: Path, size: str) -> None:
    """Make the disk at `folder` as large as `size`."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
