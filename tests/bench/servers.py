"""Conduit's web process and the bare one, side by side on a PostgreSQL and a Valkey of this run's own."""

import os
import socket
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import requests
from django.core.management import call_command
from django.db import connection

from conduit.stack.environment import for_processes
from conduit.stack.files import tail
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from conduit.stack.service import Service
from keys import budget_owners
from keys.models import Period, Team, VirtualKey
from keys.services import create_key
from tests import settings as test_settings
from tests.support.ending import end
from tests.support.scratch import scratch
from videos.requests import GenerationRequest
from videos.services import start_generation

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
# Keys of each kind, and the teams that those with budgets are in.
KEYS, TEAMS = 64, 16
UNLIMITED: dict[str, Any] = {"creates_per_minute": 10**7, "reads_per_minute": 10**7}
_MUCH = Decimal(10**7)
# Reads go around these; every second one is completed, and so signs its links.
TASKS = 20
WANTED = {
    "model": "minimax-video",
    "prompt": "A lighthouse in a storm, waves breaking over the rocks, seen from the sea at dusk",
    "duration": 6,
}

_BARE_TABLES = """
CREATE TABLE bare_first (id uuid PRIMARY KEY, body text NOT NULL);
CREATE TABLE bare_further (id bigserial PRIMARY KEY, first_id uuid NOT NULL REFERENCES bare_first, body text NOT NULL);
CREATE INDEX ON bare_further (first_id);
"""


@dataclass(frozen=True)
class Flooded:
    """Secrets of one who reads these tasks, and of those who flood: one who creates, one who talks, one who may not call."""

    secret: str
    task_ids: list[UUID]
    hog: str
    talker: str
    refused: str


@dataclass(frozen=True)
class Prepared:
    """What both servers serve."""

    secret: str  # of the key whose tasks are read, and listed
    etags: dict[UUID, str]  # of its tasks
    ended: list[UUID]  # those of them that are completed
    many: list[str]  # secrets of keys without budgets
    budgeted: list[str]  # and of keys with a budget, a team with another, and every limit of tasks
    flooded: Flooded


class Servers:
    """Both web processes, each started by the Procfile's own command line."""

    def __init__(self) -> None:
        self._home = scratch("bench")
        self._services: list[Service] = []

    def start(self) -> Prepared:
        """Prepare the database and start both. RuntimeError with the log's end when one does not start."""
        prepared = _prepare()
        command = read_procfile(ROOT / "Procfile")["web"]
        self.conduit = self._serve("conduit", command)
        self.pid = self._services[-1].pid
        bodies = _bodies(self.conduit, prepared)
        with connection.cursor() as cursor:
            cursor.execute(_BARE_TABLES)
            cursor.executemany("INSERT INTO bare_first (id, body) VALUES (%s, %s)", bodies.items())
        connection.close()
        bare = command.replace("conduit.asgi:application", "tests.bench.bare:application")
        assert bare != command, "the Procfile's web process no longer serves conduit.asgi:application"
        self.bare = self._serve("bare", bare, BARE_ANSWER=next(iter(bodies.values())))
        return prepared

    def stop(self) -> None:
        for service in self._services:
            service.kill()

    def logs(self) -> str:
        """The last lines that each process wrote."""
        return "\n".join(f"{service.name}: {line}" for service in self._services for line in tail(service.log))

    def _serve(self, name: str, command: str, **environment: str) -> int:
        """Start a web process and return its port once it listens."""
        port = free_port()
        given = for_processes(_environment() | environment, home=self._home, port=port)
        service = Service(name, ["/bin/sh", "-c", f"exec {command}"], environment=given, folder=ROOT, log=self._home / f"{name}.log")
        self._services.append(service)
        service.start()
        until = time.monotonic() + START_SECONDS
        while not _listens(port):
            if service.ended() is not None or time.monotonic() > until:
                raise RuntimeError(f"The web process does not start:\n{self.logs()}")
            time.sleep(0.05)
        return port


def _environment() -> dict[str, str]:
    """The tests' own, which names their servers; what a developer's .env could still change is given here."""
    given = {"DJANGO_SETTINGS_MODULE": "conduit.settings", "BIND": "127.0.0.1", "ALLOWED_HOSTS": "127.0.0.1"}
    return {**os.environ, **given, "DEBUG": "0", "LOG_LEVEL": "INFO", "S3_BUCKET": "", "TRUSTED_PROXIES": ""}


def _prepare() -> Prepared:
    with psycopg.connect(test_settings.POSTGRES.url(), autocommit=True) as server:
        server.execute("CREATE DATABASE conduit")
    call_command("migrate", verbosity=0)
    key, secret = create_key(name="bench", **UNLIMITED)
    task_ids = [_new_task(key) for _ in range(TASKS)]
    for task_id in task_ids[1::2]:
        end(task_id, "completed")
    many = [create_key(name=f"bench {number}", **UNLIMITED)[1] for number in range(KEYS)]
    teams = [budget_owners.create_team(name=f"bench {number}", who="bench") for number in range(TEAMS)]
    for team in teams:
        budget_owners.set_budgets(team, [{"period": Period.MONTHLY, "amount": _MUCH}], who="bench")
    budgeted = [_budgeted(f"budgeted {number}", teams[number % TEAMS]) for number in range(KEYS)]
    return Prepared(secret, dict.fromkeys(task_ids, ""), task_ids[1::2], many, budgeted, _flooded())


def _budgeted(name: str, team: Team) -> str:
    """The secret of a key under every kind of rule, none of which refuses."""
    limits = {"tasks_in_flight": 10**6, "tasks_per_hour": 10**6, "creates_per_day": 10**7, "longest_seconds": 60, "highest_price": _MUCH}
    budgets = [{"period": Period.DAILY, "amount": _MUCH}]
    _, secret = create_key(name=name, team=team, budgets=budgets, who="bench", **UNLIMITED | limits)
    return secret


def _flooded() -> Flooded:
    reader, secret = create_key(name="reader", **UNLIMITED)
    _, hog = create_key(name="hog", **UNLIMITED)
    _, talker = create_key(name="talker", **UNLIMITED)
    _, refused = create_key(name="refused", reads_per_minute=1)
    return Flooded(secret, [_new_task(reader) for _ in range(TASKS)], hog, talker, refused)


def _new_task(key: VirtualKey) -> UUID:
    return start_generation(key=key, wanted=GenerationRequest.parse(WANTED)).pk


def _bodies(port: int, prepared: Prepared) -> dict[UUID, str]:
    """What Conduit answers for each task: the bare server answers the same. Notes their versions."""
    bodies = {}
    with requests.Session() as session:
        session.trust_env = False
        for task_id in prepared.etags:
            url = f"http://127.0.0.1:{port}/v1/tasks/{task_id}"
            answer = session.get(url, headers={"Authorization": f"Bearer {prepared.secret}"}, timeout=10)
            answer.raise_for_status()
            bodies[task_id] = answer.text
            prepared.etags[task_id] = answer.headers["ETag"]
    return bodies


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
