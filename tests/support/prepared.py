"""A database as migrations leave it, made once for a run, whatever its worker processes; every other is a copy of it.

Migrating takes 5 s of processors, a copy a quarter of one.
"""

import fcntl
import os
import shutil
from pathlib import Path

import psycopg
from django.core.management import call_command

from tests.support.other_databases import in_place_of_ours
from tests.support.postgres import Databases
from tests.support.scratch import scratch

# How the process that starts the workers of `pytest -n` tells them of its folder.
_SHARED = "CONDUIT_TEST_PREPARED"
_NAME = "prepared"


class Prepared:
    """`server`: PostgreSQL, or None for a file of SQLite. `ensure` first: migrations run in this process, on Django's connection."""

    def __init__(self, server: Databases | None) -> None:
        shared = os.environ.pop(_SHARED, "")  # popped: what a test starts is no worker, and has databases of its own
        is_worker = bool(shared) and "PYTEST_XDIST_WORKER" in os.environ
        self._folder = Path(shared) if is_worker else scratch("prepared")
        if not is_worker:
            os.environ[_SHARED] = str(self._folder)
        self._server = server
        self._file = self._folder / "db.sqlite3"
        self._ready = self._folder / "ready"

    def ensure(self) -> None:
        """Have it made, here or by whoever came first."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._ready.exists():
                if self._server:
                    _execute(self._server, f"DROP DATABASE IF EXISTS {_NAME}", f"CREATE DATABASE {_NAME}")  # of one that was killed
                with in_place_of_ours(_NAME if self._server else str(self._file)):
                    call_command("migrate", verbosity=0, interactive=False)
                self._ready.touch()

    def copy(self, place: str | Path) -> None:
        """A new database of that name, or a file of SQLite; empty when nobody had one made."""
        made = self._ready.exists()
        if self._server is None:
            if made:
                shutil.copyfile(self._file, place)
        else:
            _execute(self._server, f"CREATE DATABASE {place}" + (f" TEMPLATE {_NAME}" if made else ""))


def _execute(server: Databases, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
