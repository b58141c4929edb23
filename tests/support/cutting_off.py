"""A proxy that lets the first call of each kind be done and then breaks off, so that its client never hears the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class CuttingOff(ThreadingHTTPServer):
    """Calls of `method` are cut off, as many as `times`."""

    daemon_threads = True

    def __init__(self, port: int, *, method: str, times: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to, self.method, self.left = port, method, times
        self.counts: list[str] = []  # which try each of these calls said it is


class _Handler(BaseHTTPRequestHandler):
    server: CuttingOff
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        wire = HTTPConnection("127.0.0.1", self.server.to, timeout=30)
        wire.request(self.command, self.path, body, dict(self.headers.items()))
        answer = wire.getresponse()
        content = answer.read()
        wire.close()
        if self.command == self.server.method:
            self.server.counts.append(self.headers.get("x-stainless-retry-count", ""))
            if self.server.left:
                self.server.left -= 1
                self.close_connection = True
                return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _pass_on

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def cutting_off(port: int, *, method: str = "POST", times: int = 1) -> Iterator[CuttingOff]:
    """In front of what listens at `port`."""
    with CuttingOff(port, method=method, times=times) as server:
        thread = Thread(target=server.serve_forever, name="cutting off", daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
