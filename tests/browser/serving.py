"""The site of a consumer: a page on an origin of its own, with Microsoft's client as npm installs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).parent / "site"
MODULES = Path(__file__).parents[1] / "signalr" / "node" / "node_modules"
MICROSOFT = MODULES / "@microsoft"
FILES = {
    "/": (SITE / "index.html", "text/html; charset=utf-8"),
    "/cases.mjs": (MICROSOFT.parents[1] / "cases.mjs", "text/javascript; charset=utf-8"),
    "/consumer.js": (SITE / "consumer.js", "text/javascript; charset=utf-8"),
    **{
        f"/{package}.min.js": (MICROSOFT / package / "dist" / "browser" / f"{package}.min.js", "text/javascript; charset=utf-8")
        for package in ("signalr", "signalr-protocol-msgpack")
    },
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, content_type = FILES.get(self.path, (None, ""))
        if path is None:
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: what a test has to say it says by failing."""


@contextmanager
def site() -> Iterator[str]:
    """Its address. By name, where the stack is at 127.0.0.1: another host and another port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
