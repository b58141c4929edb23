"""Real daphne processes that serve the echo hub, alone or several behind one address."""

import json
import os
import signal
import socket
import sys
import time
from typing import Any

from conduit.stack.ports import free_port
from tests.signalr.measuring import Held, Measured
from tests.signalr.proxy import Proxy
from tests.support import nursery
from tests.support.scratch import scratch

START_SECONDS = 120


class EchoServer:
    """One process."""

    def __init__(self, redis_url: str, options: dict[str, Any], *, is_measured: bool = False) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/echo"
        self.output = scratch("echo") / "output"
        self._environment = os.environ | {"ECHO_REDIS": redis_url, "ECHO_OPTIONS": json.dumps(options), "PYTHONUNBUFFERED": "1"}
        self._measured = Measured() if is_measured else None
        if self._measured:
            self._environment |= self._measured.environment
        self._process: nursery.Started | None = None

    def begin(self) -> None:
        # As in the Procfile: -v 0 has daphne write no access log, whose addresses would hold tokens.
        command = [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(self.port), "--no-server-name"]
        command += ["--application-close-timeout", "5", "tests.signalr.echo_hub:application"]
        self._process = nursery.start(command, self._environment, self.output)

    def until_it_serves(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the echo hub does not start:\n{self.said()}") from None
                time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status after the signal."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=60)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def held(self) -> Held:
        """What it holds, when it was started to be measured."""
        assert self._measured
        return self._measured.held(self.pid)

    def said(self) -> str:
        return self.output.read_text()


class Service:
    """`processes` echo hubs that share a Redis, behind one round-robin address."""

    def __init__(self, redis_url: str, *, processes: int, is_measured: bool = False, **options: Any) -> None:
        self.servers = [EchoServer(redis_url, options, is_measured=is_measured) for _ in range(processes)]
        for server in self.servers:
            server.begin()
        for server in self.servers:
            server.until_it_serves()
        self.proxy = Proxy(server.port for server in self.servers)
        self.url = f"http://127.0.0.1:{self.proxy.port}/echo"

    def serving(self, pid: int) -> EchoServer:
        return next(server for server in self.servers if server.pid == pid)

    def said(self) -> str:
        return "".join(server.said() for server in self.servers)

    def close(self) -> None:
        self.proxy.close()
        for server in self.servers:
            server.close()
