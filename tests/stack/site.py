"""A web process for a stack of small ones; the place is well while a file is there: `python -m tests.stack.site PORT FILE`."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_well = self.path == "/health/live" or Path(sys.argv[2]).exists()
        self.send_response(200 if is_well else 503)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
