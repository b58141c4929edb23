"""A MiniMax V1 look-alike for tests, written from the published facts alone and not from our sandbox.

Its everyday manners are the odd ones that real servers were seen with: ids as numbers, statuses in odd case, extra
fields, links that work once, a download host that takes no bearer. Anything stranger is scripted, for the next calls or
for all of them:

    with LookAlike() as minimax:
        minimax.next("create", Answer(code=1002), Answer(cut_after=0))   # first a rate limit, then a lost answer
        minimax.always("query", Answer(code=1000), prompt="a cat")       # for jobs whose prompt holds these words
        client = MiniMaxV1(minimax.url, minimax.key, ...)

The calls are "create", "query", "retrieve" and "download". A job moves on with each query, never with the clock.
"""

import itertools
import json
import socket
import ssl
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.clips import make_mp4, wrong_parameters

DROP = ...  # as the value of one of Answer.fields: that field is left out
CALLS = {
    ("POST", "/v1/video_generation"): "create",
    ("GET", "/v1/query/video_generation"): "query",
    ("GET", "/v1/files/retrieve"): "retrieve",
}
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
        return json.loads(self.body)


@dataclass
class Job:
    task_id: str
    file_id: str
    model: str
    prompt: str
    fields: Mapping[str, object]
    queries: int = 0


@dataclass
class Rule:
    call: str
    prompt: str
    answers: Iterator[Answer]


class LookAlike:
    """The server. Attributes may be changed while it runs; `requests`, `creates` and `jobs` tell what it saw and made."""

    def __init__(
        self,
        *,
        key: str = "look-alike-key",
        statuses: Iterable[str] = ("preparing", "QUEUEING", "Processing", "SUCCESS"),
        video: Callable[[Job], bytes] = lambda job: make_mp4(),
        numeric_ids: bool = True,
        link_uses: int | None = 1,
        backup: bool = False,
        knows_size: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.key = key
        self.statuses = list(statuses)
        self.video = video
        self.numeric_ids = numeric_ids
        self.link_uses = link_uses
        self.backup = backup
        self.knows_size = knows_size
        self.requests: list[Request] = []
        self.jobs: list[Job] = []
        self.stopping = threading.Event()
        self._links: dict[str, int] = {}
        self._rules: list[Rule] = []
        self._ids = itertools.count(310_000_000_000_001)
        self._changed = threading.Condition()
        self._api = _Server(self, ApiHandler, tls)
        self._files = _Server(self, FileHandler, tls)
        self.url, self.files_url = self._api.url, self._files.url

    def __enter__(self) -> Self:
        self._api.start()
        self._files.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._api.stop()
        self._files.stop()

    def next(self, call: str, *answers: Answer, prompt: str = "") -> None:
        """Answer the next such calls so, one each; `prompt` narrows it to jobs whose prompt holds these words."""
        with self._changed:
            self._rules.append(Rule(call, prompt, iter(answers)))

    def always(self, call: str, answer: Answer, *, prompt: str = "") -> None:
        """Answer every such call so, once earlier rules are used up."""
        with self._changed:
            self._rules.append(Rule(call, prompt, itertools.repeat(answer)))

    def ordinary(self) -> None:
        """Forget all that was scripted."""
        with self._changed:
            self._rules.clear()

    def kill_links(self) -> None:
        """Every link handed out so far is dead from now on."""
        with self._changed:
            self._links.clear()

    @property
    def creates(self) -> list[Request]:
        return self.calls("create")

    def calls(self, call: str) -> list[Request]:
        with self._changed:
            return [request for request in self.requests if request.call == call]

    def wait_for(self, call: str, count: int = 1, *, seconds: float = 10) -> list[Request]:
        """The calls of this kind, as soon as there are `count`."""
        with self._changed:
            seen = self._changed.wait_for(lambda: sum(request.call == call for request in self.requests) >= count, seconds)
        assert seen, f"{count} calls of {call} did not come within {seconds} s"
        return self.calls(call)

    # What the handlers lean on.

    def job(self, identifier: str) -> Job | None:
        """By task id or file id."""
        with self._changed:
            return next((job for job in self.jobs if identifier in (job.task_id, job.file_id)), None)

    def take(self, request: Request) -> Answer:
        """Write a request down, and say how it is answered."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            for rule in self._rules:
                if rule.call == request.call and rule.prompt in request.prompt and (answer := next(rule.answers, None)):
                    return answer
        return Answer()

    def make_job(self, fields: Mapping[str, Any]) -> Job:
        with self._changed:
            job = Job(str(next(self._ids)), str(next(self._ids)), str(fields.get("model")), str(fields.get("prompt")), fields)
            self.jobs.append(job)
        return job

    def ask(self, job: Job) -> str:
        """The job's status, one step further with each question."""
        with self._changed:
            status = self.statuses[min(job.queries, len(self.statuses) - 1)]
            job.queries += 1
        return status

    def identifier(self, text: str) -> int | str:
        return int(text) if self.numeric_ids else text

    def link(self, job: Job) -> str:
        token = uuid.uuid4().hex
        with self._changed:
            self._links[token] = 0
        return f"{self.files_url}/clips/{job.file_id}.mp4?Expires=1790000000&Signature={token}"

    def use_link(self, token: str) -> bool:
        """Whether a link still works; asking uses it up."""
        with self._changed:
            if token not in self._links or self._links[token] == self.link_uses:
                return False
            self._links[token] += 1
            return True


class _Server(ThreadingHTTPServer):
    # Joined at the end, so that a test leaves no thread and no socket behind.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: LookAlike, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> None:
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
    server: _Server

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


class ApiHandler(Handler):
    def serve(self) -> None:
        url = urlsplit(self.path)
        call = CALLS.get((self.command, url.path))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if call is None:
            self.reply(Answer(404), b"<html>404 page not found</html>", {"Content-Type": "text/html"})
            return
        job = self.minimax.job(query.get("task_id") or query.get("file_id") or "")
        fields = json.loads(body) if call == "create" else {}
        request = self.seen(call, url.path, query, body, job.prompt if job else fields.get("prompt", ""))
        answer = self.minimax.take(request)
        said = self._objection(call, job, fields) if answer.code is None else (answer.code, answer.message)
        content = {"base_resp": {"status_code": said[0], "status_msg": said[1]}, "server_time": 1_790_000_000}
        content |= getattr(self, f"_{call}")(job, fields, answer, said[0] in (0, "0"))
        content = {name: value for name, value in (content | answer.fields).items() if value is not DROP}
        headers = {"Content-Type": "application/json; charset=utf-8", "Trace-Id": f"trace-{len(self.minimax.requests)}"}
        self.reply(answer, json.dumps(content).encode(), headers)

    def _objection(self, call: str, job: Job | None, fields: Mapping[str, Any]) -> tuple[int, str]:
        if self.headers.get("Authorization") != f"Bearer {self.minimax.key}":
            return 1004, "login fail: please carry the API secret key in the 'Authorization' field"
        wrong = wrong_parameters(fields) if call == "create" else "" if job else "no such id"
        return (2013, f"invalid params, {wrong}") if wrong else (0, "success")

    def _create(self, job: None, fields: Mapping[str, Any], answer: Answer, fine: bool) -> dict[str, object]:
        if not (fine or answer.accepted) or not answer.makes_a_job:
            return {"task_id": ""}
        made = self.minimax.make_job(fields)
        return {"task_id": self.minimax.identifier(made.task_id)}

    def _query(self, job: Job | None, fields: object, answer: Answer, fine: bool) -> dict[str, object]:
        if not job:
            return {}
        status = answer.status or (self.minimax.ask(job) if fine else None)
        done = (status or "").lower() == "success"
        content: dict[str, object] = {"task_id": self.minimax.identifier(job.task_id)}
        if status:
            content["status"] = status
        content["file_id"] = self.minimax.identifier(job.file_id) if done else ""
        content["video_width"], content["video_height"] = (160, 90) if done else (0, 0)
        return content

    def _retrieve(self, job: Job | None, fields: object, answer: Answer, fine: bool) -> dict[str, object]:
        if not (job and fine):
            return {}
        file = {
            "file_id": self.minimax.identifier(job.file_id),
            "bytes": len(self.minimax.video(job)) if self.minimax.knows_size else 0,
            "created_at": 1_790_000_000,
            "filename": "output_aigc.mp4",
            "purpose": "video_generation",
            "download_url": self.minimax.link(job),
        }
        return {"file": file | ({"backup_download_url": self.minimax.link(job)} if self.minimax.backup else {})}


class FileHandler(Handler):
    """Object storage: it knows links, and takes a bearer for an attack."""

    def serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        job = self.minimax.job(url.path.rpartition("/")[2].removesuffix(".mp4"))
        answer = self.minimax.take(self.seen("download", url.path, query, b"", job.prompt if job else ""))
        if "Authorization" in self.headers:
            self._refuse(400, "InvalidArgument")
        elif answer.http != 200 or answer.body is not None or answer.cut_after == 0:
            self.reply(answer, b"", {"Content-Type": "video/mp4"})
        elif not job:
            self._refuse(404, "NoSuchKey")
        elif not self.minimax.use_link(query.get("Signature", "")):
            self._refuse(403, "AccessDenied")
        else:
            self.reply(answer, self.minimax.video(job), {"Content-Type": "video/mp4", "ETag": f'"{job.file_id}"'})

    def _refuse(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
        self.reply(Answer(status), body, {"Content-Type": "application/xml"})


def _pieces(body: bytes, padding: int) -> Iterator[bytes]:
    if body:
        yield body
    zeros = bytes(min(PIECE, padding))
    for start in range(0, padding, PIECE):
        yield zeros[: padding - start]
