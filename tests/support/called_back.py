"""Whoever MiniMax calls back to, in this process: what the receiver does (videos.callbacks.receiver), without daphne."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.db import connection

from videos.callbacks.addresses import ordered
from videos.callbacks.noting import note


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        of = ordered(self.path.rpartition("/")[2])
        if of and "challenge" not in said:
            try:
                note(of, said)
            finally:
                connection.close()
        body = json.dumps(said if "challenge" in said else {}).encode()
        self.send_response(200 if of else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A test's output is the test's."""


@contextmanager
def called_back() -> Iterator[str]:
    """Its address, as PUBLIC_URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
