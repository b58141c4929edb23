"""A MiniMax look-alike for tests, of both its API versions, written from the published facts alone and not from our sandbox.

Its everyday manners are the odd ones that real servers were seen with: ids as numbers, statuses in odd case, extra
fields, links that work once, a download host that takes no bearer. Anything stranger is scripted, for the next calls or
for all of them:

    with LookAlike() as minimax:
        minimax.next("create", Answer(code=1002), Answer(cut_after=0))   # first a rate limit, then a lost answer
        minimax.always("query", Answer(code=1000), prompt="a cat")       # for jobs whose prompt holds these words
        client = client_of(minimax)

A create that names a callback_url is challenged there first, unless `reaches` says whether that would be answered; what is then
pushed, and when, is the test's: `minimax.call_back(job, "success")`.

The calls are "create", "query", "retrieve" and "download", V2's "list" and "cancel", "image" and "download-image". A job moves
on with each query, never with the clock.
"""

import itertools
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support import lookalike_v2
from tests.support.clips import make_mp4, wrong_parameters
from tests.support.lookalike_server import Answer, Handler, Request, Server
from tests.support.pictures import jpeg

DROP = ...  # as the value of one of Answer.fields: that field is left out
CALLS = {
    ("POST", "/v1/video_generation"): "create",
    ("GET", "/v1/query/video_generation"): "query",
    ("GET", "/v1/files/retrieve"): "retrieve",
    ("POST", "/v1/image_generation"): "image",
}


@dataclass
class Job:
    task_id: str
    file_id: str
    model: str
    prompt: str
    fields: Mapping[str, object]
    queries: int = 0
    created_at: float = field(default_factory=time.time)
    cancelled: bool = False

    @property
    def callback_url(self) -> str:
        return str(self.fields.get("callback_url") or "")


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
        video: Callable[[Job], bytes] = lambda job: make_mp4(1280, 720, 6.0),
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
        self.images: list[Job] = []
        self.statuses_v2 = ["Queued", "running", "succeeded"]
        self.reaches: Callable[[str], bool] = challenge
        self.stopping = threading.Event()
        self._links: dict[str, int] = {}
        self._rules: list[Rule] = []
        self._ids = itertools.count(310_000_000_000_001)
        self._changed = threading.Condition()
        self._api = Server(self, ApiHandler, tls)
        self._files = Server(self, FileHandler, tls)
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

    def wait_for(self, call: str, count: int = 1, *, seconds: float = 60) -> list[Request]:
        """The calls of this kind, as soon as there are `count`."""
        with self._changed:
            seen = self._changed.wait_for(lambda: sum(request.call == call for request in self.requests) >= count, seconds)
        assert seen, f"{count} calls of {call} did not come within {seconds} s"
        return self.calls(call)

    def call_back(self, job: Job, status: str, **fields: object) -> int:
        """Push that to the URL of the job's create; the status of the answer."""
        said = {"task_id": self.identifier(job.task_id), "status": status, "base_resp": {"status_code": 0}} | fields
        return post(job.callback_url, said)[0]

    def refuses(self, fields: Mapping[str, Any]) -> str:
        """What is wrong with a create's callback_url; empty when nothing."""
        url = fields.get("callback_url")
        return "fail to check callback url" if url and not self.reaches(str(url)) else ""

    # What the handlers lean on.

    def job(self, identifier: str) -> Job | None:
        """By task id or file id."""
        with self._changed:
            return next((job for job in [*self.jobs, *self.images] if identifier in (job.task_id, job.file_id)), None)

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
        return self._make(fields, self.jobs)

    def make_image(self, fields: Mapping[str, Any]) -> Job:
        return self._make(fields, self.images)

    def _make(self, fields: Mapping[str, Any], among: list[Job]) -> Job:
        with self._changed:
            job = Job(str(next(self._ids)), str(next(self._ids)), str(fields.get("model")), lookalike_v2.prompt_of(fields), fields)
            among.append(job)
        return job

    def ask(self, job: Job) -> str:
        """The job's status, one step further with each question."""
        with self._changed:
            statuses = self.statuses_v2 if "content" in job.fields else self.statuses
            status = statuses[min(job.queries, len(statuses) - 1)]
            job.queries += 1
        return status

    def identifier(self, text: str) -> int | str:
        return int(text) if self.numeric_ids else text

    def link(self, job: Job) -> str:
        token = uuid.uuid4().hex
        with self._changed:
            self._links[token] = 0
        path = f"images/{job.file_id}.jpg" if job in self.images else f"clips/{job.file_id}.mp4"
        return f"{self.files_url}/{path}?Expires=1790000000&Signature={token}"

    def use_link(self, token: str) -> bool:
        """Whether a link still works; asking uses it up."""
        with self._changed:
            if token not in self._links or self._links[token] == self.link_uses:
                return False
            self._links[token] += 1
            return True


def post(url: str, content: Mapping[str, object]) -> tuple[int, bytes]:
    """As MiniMax calls back, without a retry; it waits for three seconds, which a busy machine may take."""
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def challenge(url: str) -> bool:
    """Whether whoever answers there gives back what he is sent."""
    word = uuid.uuid4().hex
    status, body = post(url, {"challenge": word})
    return status == 200 and json.loads(body) == {"challenge": word}


class ApiHandler(Handler):
    def serve(self) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/v2/"):
            lookalike_v2.serve(self)
            return
        call = CALLS.get((self.command, url.path))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if call is None:
            self.reply(Answer(404), b"<html>404 page not found</html>", {"Content-Type": "text/html"})
            return
        job = self.minimax.job(query.get("task_id") or query.get("file_id") or "")
        fields = json.loads(body) if call in ("create", "image") else {}
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
        wrong = "" if job or call == "image" else "no such id"
        if call == "create":
            wrong = wrong_parameters(fields) or self.minimax.refuses(fields)
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

    def _image(self, job: None, fields: Mapping[str, Any], answer: Answer, fine: bool) -> dict[str, object]:
        if not fine:
            return {}
        made = self.minimax.make_image(fields)
        return {
            "id": made.task_id,
            "data": {"image_urls": [self.minimax.link(made)]},
            "metadata": {"success_count": "1", "failed_count": "0"},
        }


class FileHandler(Handler):
    """Object storage: it knows links, and takes a bearer for an attack."""

    def serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        name = url.path.rpartition("/")[2]
        job = self.minimax.job(name.partition(".")[0])
        content_type, call = ("image/jpeg", "download-image") if name.endswith(".jpg") else ("video/mp4", "download")
        answer = self.minimax.take(self.seen(call, url.path, query, b"", job.prompt if job else ""))
        if "Authorization" in self.headers:
            self._refuse(400, "InvalidArgument")
        elif answer.http != 200 or answer.body is not None or answer.cut_after == 0:
            self.reply(answer, b"", {"Content-Type": content_type})
        elif not job:
            self._refuse(404, "NoSuchKey")
        elif not self.minimax.use_link(query.get("Signature", "")):
            self._refuse(403, "AccessDenied")
        else:
            content = jpeg() if job in self.minimax.images else self.minimax.video(job)
            self.reply(answer, content, {"Content-Type": content_type, "ETag": f'"{job.file_id}"'})

    def _refuse(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
        self.reply(Answer(status), body, {"Content-Type": "application/xml"})
