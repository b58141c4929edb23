"""An S3 as several vendors make it: it refuses the checksums that boto adds by default. Behind it is moto."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import requests

# What boto sends of them: of each upload, of its parts, and as a trailer of a body in chunks.
_CHECKSUMS = ("x-amz-checksum-", "x-amz-sdk-checksum-algorithm", "x-amz-trailer")
_OF_ONE_HOP = {"connection", "transfer-encoding", "content-encoding", "server", "date"}


class StrictS3:
    """Listens on a loopback port of its own, and passes on what it takes to the S3 at `behind`. `hosts` are those it was called by."""

    def __init__(self, behind: str) -> None:
        self.hosts: set[str] = set()
        strict = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                strict.hosts.add(self.headers["Host"])
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if refused := [name for name in self.headers if name.lower().startswith(_CHECKSUMS)]:
                    self.reply(501, {}, f"<Error><Code>NotImplemented</Code><Message>{refused[0]}</Message></Error>".encode())
                    return
                passed = requests.request(self.command, behind + self.path, headers=dict(self.headers), data=body, timeout=60)
                self.reply(passed.status_code, dict(passed.headers), passed.content)

            def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in _OF_ONE_HOP | {"content-length"}:
                        self.send_header(name, value)
                length = headers.get("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="strict S3", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
