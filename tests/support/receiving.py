"""A receiver of webhooks on loopback: it keeps what comes, and answers as it is told."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """`answers[path]`: the status, or (status, headers, body); `delays[path]`: seconds before it. Every other path is answered 204."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, Any] = {}
        self.delays: dict[str, float] = {}
        self._over, self._came = threading.Event(), threading.Condition()
        self._server = _Server((address, port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, received: Received) -> tuple[int, Mapping[str, str], bytes]:
        with self._came:
            self.received.append(received)
            self._came.notify_all()
        self._over.wait(self.delays.get(received.path, 0.0))
        answer = self.answers.get(received.path, 204)
        return answer if isinstance(answer, tuple) else (answer, {}, b"")

    def until(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[Received]:
        """Wait until so many requests have come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.received) >= count, seconds), [one.path for one in self.received]
        return list(self.received)

    def types(self, path: str | None = None) -> list[str]:
        return [one.event["type"] for one in self.received if path in (None, one.path)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are none of a test's business."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                return  # whoever sent it was killed in the middle of it: nothing was received
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said, answer = receiver.take(Received(self.path, headers, body))
            self.send_response(status)
            for name, value in said.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
