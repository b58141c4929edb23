"""The HTTP around the API: HTTP/1.1 on the loopback, connections kept alive, a thread for each."""

import logging
import os
import shutil
import socket
import sys
import threading
import uuid
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl, urlsplit

from videos.minimax.sandbox.api import Api
from videos.minimax.sandbox.messages import Answer, Request, as_html

log = logging.getLogger(__name__)

# Two images of 20 MB in base64, and the rest of the request.
BODY_LARGEST = 60 * 1024 * 1024
# What is too large is still read, to a limit: a client that is cut off while it sends never sees the answer.
_READ_AND_DROPPED = 4 * BODY_LARGEST
_PIECE = 64 * 1024
_DRIPS = 20
# It listens on the loopback alone, and answers to these.
_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    # Many clients may come at once; the default is 5.
    request_queue_size = 1024

    def __init__(self, port: int, api: Api) -> None:
        self.api = api
        self.stopping = threading.Event()
        self._open: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._open[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        del self._open[threading.current_thread()]

    def hang_up(self) -> None:
        """End every connection, as the end of a process would, and wait for their threads."""
        self.stopping.set()
        still_open = list(self._open.items())
        for _, connection in still_open:
            with suppress(OSError):  # its client was quicker
                connection.shutdown(socket.SHUT_RDWR)
        for thread, _ in still_open:
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that go away are daily business; anything else is ours.
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("a connection broke off")


class BadRequest(Exception):
    """The request cannot be read; `http` says why."""

    def __init__(self, http: int, title: str) -> None:
        super().__init__(title)
        self.http = http
        self.title = title


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "minimax-sandbox"
    sys_version = ""
    # Seconds until an idle connection, or one that stalls within a request, is closed.
    timeout = 120
    # Header and body are two writes: the second one must not wait for the first's acknowledgement.
    disable_nagle_algorithm = True
    trace_id = ""

    def handle_one_request(self) -> None:
        self.trace_id = uuid.uuid4().hex
        super().handle_one_request()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        answer = self._answer()
        with closing(answer.file or BytesIO(answer.body)) as body:
            stopped = self._server.stopping.wait(answer.delay)
            if answer.cut or stopped:
                self.close_connection = True
            else:
                self._send(answer, body)

    def _answer(self) -> Answer:
        try:
            return self._server.api.answer(self._read())
        except BadRequest as error:
            # What is left of the body would be taken for the next request.
            self.close_connection = True
            return as_html(error.title, http=error.http)
        except ConnectionError:
            raise
        except Exception:
            log.exception("the sandbox could not answer")
            return as_html("500 Internal Server Error", http=500)

    def _read(self) -> Request:
        self._check_host()
        try:
            target = urlsplit(self.path)
            query = dict(parse_qsl(target.query, keep_blank_values=True))
        except ValueError:
            raise BadRequest(400, "400 Bad Request") from None
        return Request(
            method=self.command,
            path=target.path,
            query=query,
            authorization=self.headers.get("Authorization"),
            body=self._read_body(),
            trace_id=self.trace_id,
        )

    def _check_host(self) -> None:
        """A page whose name leads to the loopback (DNS rebinding) could order faults and read jobs through its visitor's browser."""
        asked = self.headers.get_all("Host", [])
        if len(asked) != 1 or asked[0].lower() not in {f"{name}:{self._server.server_port}" for name in _NAMES}:
            raise BadRequest(421, "421 Misdirected Request")

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise BadRequest(411, "411 Length Required")
        told = self.headers.get("Content-Length", "0")
        if not (told.isascii() and told.isdigit()):
            raise BadRequest(400, "400 Bad Request")
        length = int(told) if len(told) < 16 else _READ_AND_DROPPED
        if length > BODY_LARGEST:
            self._drop(min(length, _READ_AND_DROPPED))
            raise BadRequest(413, "413 Request Entity Too Large")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client left before its body was sent")
        return body

    def _drop(self, length: int) -> None:
        while length > 0 and (piece := self.rfile.read(min(length, _PIECE))):
            length -= len(piece)

    def _send(self, answer: Answer, body: BinaryIO) -> None:
        length = os.fstat(body.fileno()).st_size if answer.file else len(answer.body)
        self.send_response(answer.http)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.truncate:
            self.wfile.write(body.read(length // 2))
            self.close_connection = True
        elif answer.drip:
            self._drip(body, length, answer.drip)
        else:
            shutil.copyfileobj(body, self.wfile, _PIECE)

    def _drip(self, body: BinaryIO, length: int, seconds: float) -> None:
        while piece := body.read(length // _DRIPS + 1):
            self.wfile.write(piece)
            if self._server.stopping.wait(seconds / _DRIPS):
                raise ConnectionAbortedError("the sandbox stops")

    def end_headers(self) -> None:
        self.send_header("Trace-Id", self.trace_id)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """The sandbox's own log has it."""

    @property
    def _server(self) -> Server:
        return cast(Server, self.server)
