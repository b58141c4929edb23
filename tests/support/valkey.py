"""A Valkey server for one test run: the stack's own, in a folder of its own."""

import atexit
import subprocess

from conduit.stack.lifeline import tied
from conduit.stack.valkey import Valkey
from tests.support.scratch import scratch


class ValkeyForTests:
    """One server; `url` is its address."""

    def __init__(self) -> None:
        self._folder = scratch("valkey")
        self._valkey = Valkey(self._folder)
        self.url = self._valkey.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        atexit.register(self.stop)
        self._process = subprocess.Popen(
            tied(self._valkey.configure()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not self._valkey.wait(seconds=90):
            raise RuntimeError("Valkey does not answer")

    def stop(self) -> None:
        """Stop the server. May be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
