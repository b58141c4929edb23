"""Debian's Caddy before web processes, configured as ops/proxy/Caddyfile says, with a certificate of the test's own authority."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from tests.support.certificates import signed
from tests.support.scratch import scratch

EXAMPLE = Path(__file__).resolve().parents[2] / "ops" / "proxy" / "Caddyfile"
START_SECONDS = 60.0
# What it would do on a host of its own is left out: fetch a certificate, send http to https, be told what to do.
_BEFORE = """{{
    admin off
    auto_https disable_redirects
    default_sni 127.0.0.1
    storage file_system {folder}/storage
}}
"""


@contextmanager
def caddy(ports: Sequence[int]) -> Iterator[tuple[str, Path]]:
    """The https address of one that passes everything on to these loopback ports, and the authority to trust it by."""
    folder, port = scratch("caddy"), free_port()
    authority, certificate, key = signed(folder, "127.0.0.1")
    servers = iter(ports)
    own = re.sub(r"10\.\S+:8000", lambda _: f"127.0.0.1:{next(servers)}", EXAMPLE.read_text())
    own, sites = re.subn(r"(?m)^video\.example\.com \{$", f"127.0.0.1:{port} {{\n\ttls {certificate} {key}", own)
    assert (sites, list(servers)) == (1, []), own
    (folder / "Caddyfile").write_text(_BEFORE.format(folder=folder) + own)
    command = [str(shutil.which("caddy")), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(tied(command), cwd=folder, stdout=log, stderr=log)
    try:
        _wait(f"https://127.0.0.1:{port}", authority, process, folder / "log")
        yield f"https://127.0.0.1:{port}", authority
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, authority: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            requests.get(f"{url}/health/live", verify=str(authority), timeout=5)
        except requests.RequestException:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Caddy does not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
