"""Debian's nginx before web processes, configured as ops/proxy/nginx.conf says."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from tests.support.scratch import scratch

EXAMPLE = Path(__file__).resolve().parents[2] / "ops" / "proxy" / "nginx.conf"
START_SECONDS = 60.0

# What a distribution's nginx.conf has around it; paths are relative to the folder that it is started in.
_AROUND = """
daemon off;
pid nginx.pid;
error_log error.log info;
worker_processes 2;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{ours}
}}
"""


@contextmanager
def nginx(ports: Sequence[int]) -> Iterator[str]:
    """The address of an nginx that passes everything on to these loopback ports. RuntimeError when it does not start."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise RuntimeError("There is no nginx on PATH: `make soak` installs it, or says what to install.")
    folder, port = scratch("nginx"), free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is its owner's alone
    (folder / "nginx.conf").write_text(_AROUND.format(user=user, ours=as_shipped(port, ports)))
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(
            tied([program, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]), cwd=folder, stdout=log, stderr=log
        )
    try:
        _wait(process, port, folder)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def as_shipped(port: int, ports: Sequence[int]) -> str:
    """The example, listening on `port` without TLS, before the web processes on `ports`."""
    servers = iter(ports)
    own = re.sub(r"server 10\.\S+:8000", lambda _: f"server 127.0.0.1:{next(servers)}", EXAMPLE.read_text())
    own, listens = re.subn(r"listen 443 ssl;", f"listen 127.0.0.1:{port};", own)
    assert (listens, list(servers)) == (1, []), own
    return re.sub(r"(?m)^\s*(server_name|ssl_\w+) .*;.*$", "", own)


def _wait(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                said = "".join(path.read_text() for path in folder.glob("*.log"))
                raise RuntimeError(f"nginx does not start:\n{said}") from None
            time.sleep(0.05)
        else:
            return
