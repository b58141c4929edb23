"""The HTTP below the MiniMax look-alike: answers scripted to the byte, and connections that leave nothing behind."""

import itertools
import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """How one call is answered. What is not given is as on an ordinary day."""

    http: int = 200
    code: int | str | None = None  # base_resp.status_code
    message: str = "look-alike says no"  # base_resp.status_msg when there is a code
    status: str | None = None  # of a job
    fields: Mapping[str, object] = field(default_factory=dict)  # laid over the answer's own
    body: bytes | None = None  # instead of JSON or a video
    padding: int = 0  # zero bytes after the body, made while they are sent
    headers: Mapping[str, str | None] = field(default_factory=dict)  # None: leave it out
    chunked: bool = False
    cut_after: int | None = None  # close after so many bytes of the body; 0: before the status line
    drip: float = 0  # seconds between two bytes of the body
    drip_head: float = 0  # seconds between two bytes of the status line and the headers
    hold: threading.Event | None = None  # answer when this is set
    accepted: bool | None = None  # a create makes a job; None: unless its answer is an error

    @property
    def makes_a_job(self) -> bool:
        return self.http < 400 and self.code in (None, 0, "0") if self.accepted is None else self.accepted


@dataclass(frozen=True)
class Request:
    call: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes
    connection: int  # which TCP connection brought it, counted from 1
    prompt: str

    @property
    def json(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.body)
        return body


class Server(ThreadingHTTPServer):
    # Joined at the end, so that a test leaves no thread and no socket behind.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: Any, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.owner = owner
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.connections = itertools.count(1)
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was first
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients that go away are what some tests are about
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection_number = next(self.server.connections)
        self.minimax = self.server.owner

    def log_message(self, format: str, *args: object) -> None:
        """A test's output is the test's."""

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def serve(self) -> None:
        raise NotImplementedError

    def seen(self, call: str, path: str, query: Mapping[str, str], body: bytes, prompt: str) -> Request:
        return Request(call, path, query, self.headers, body, self.connection_number, prompt)

    def reply(self, answer: Answer, body: bytes, headers: Mapping[str, str]) -> None:
        while answer.hold and not answer.hold.wait(0.01) and not self.minimax.stopping.is_set():
            pass
        if answer.cut_after == 0:
            self.close_connection = True
            return
        body = body if answer.body is None else answer.body
        framing = {"Transfer-Encoding": "chunked"} if answer.chunked else {"Content-Length": str(len(body) + answer.padding)}
        lines = [f"HTTP/1.1 {answer.http} Said So"]
        lines += [f"{name}: {value}" for name, value in {**headers, **framing, **answer.headers}.items() if value is not None]
        self._write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), answer.drip_head)
        left = answer.cut_after
        for piece in _pieces(body, answer.padding):
            sent = piece if left is None else piece[:left]
            self._write(b"%x\r\n%s\r\n" % (len(sent), sent) if answer.chunked else sent, answer.drip)
            left = None if left is None else left - len(sent)
            if left == 0:
                self.close_connection = True
                return
        if answer.chunked:
            self.wfile.write(b"0\r\n\r\n")
        if "Content-Length" in answer.headers:
            self.close_connection = True  # the length was a lie, or is missing

    def _write(self, data: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            if self.minimax.stopping.wait(pause):
                raise ConnectionAbortedError


def _pieces(body: bytes, padding: int) -> Iterator[bytes]:
    if body:
        yield body
    zeros = bytes(min(PIECE, padding))
    for start in range(0, padding, PIECE):
        yield zeros[: padding - start]
