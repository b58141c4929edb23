"""MiniMax's V1 calls, and the sandbox's own control calls, as functions from a request to an answer."""

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from videos.minimax.sandbox.clips import Clips
from videos.minimax.sandbox.creation import PROMPT_LONGEST, Refused, check, read_body
from videos.minimax.sandbox.faults import Directive, FaultBook, Misspelt, Order, parse_prompt
from videos.minimax.sandbox.jobs import Job, Jobs
from videos.minimax.sandbox.jsonlines import JsonLines
from videos.minimax.sandbox.messages import Answer, Request, as_html, as_json, base_resp, refused

Entry = dict[str, Any]


class Api:
    def __init__(
        self,
        *,
        jobs: Jobs,
        clips: Clips,
        faults: FaultBook,
        log: JsonLines,
        clock: Callable[[], float],
        api_key: str,
        link_seconds: float,
    ) -> None:
        self._jobs = jobs
        self._clips = clips
        self._faults = faults
        self._log = log
        self._clock = clock
        self._api_key = api_key
        self._link_seconds = link_seconds
        # Where links begin; known once the server listens.
        self.url = ""
        self._calls: dict[tuple[str, str], tuple[str, Callable[[Request, Entry], Answer]]] = {
            ("POST", "/v1/video_generation"): ("create", self._create),
            ("GET", "/v1/query/video_generation"): ("query", self._query),
            ("GET", "/v1/files/retrieve"): ("retrieve", self._retrieve),
        }
        self._controls: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("POST", "/sandbox/faults"): self._order_fault,
            ("DELETE", "/sandbox/faults"): self._clear_faults,
            ("GET", "/sandbox/log"): lambda _: as_json(list(self._log)),
            ("GET", "/sandbox/jobs"): lambda _: as_json(self.jobs()),
        }

    def answer(self, request: Request) -> Answer:
        """The answer to any request; every one of the API's is in the log before it is sent."""
        control = self._controls.get((request.method, request.path))
        if control:
            return control(request)
        name, call = self._calls.get((request.method, request.path), ("unknown", _unknown))
        if request.method == "GET" and request.path.startswith("/download/"):
            name, call = "download", self._download
        entry: Entry = {"at": self._clock(), "call": name, "path": request.path, "trace_id": request.trace_id, "faults": []}
        answer = call(request, entry)
        self._log.append(entry | {"http": None if answer.cut else answer.http, "code": answer.code})
        return answer

    def jobs(self) -> list[dict[str, Any]]:
        """Every job, newest first, with the true fraction that MiniMax never tells."""
        now = self._clock()
        return [
            {
                "task_id": str(job.task_id),
                "file_id": str(job.file_id),
                "model": job.model,
                "prompt": job.prompt,
                "status": job.status(now),
                "fraction": job.fraction(now),
                "created_at": job.created_at,
                "seconds": job.seconds,
            }
            for job in self._jobs.newest_first()
        ]

    # ---- V1 ---------------------------------------------------------------------------------------------------------

    def _create(self, request: Request, entry: Entry) -> Answer:
        try:
            self._check_key(request)
            fields = read_body(request.body)
            prompt = fields.get("prompt")
            entry["prompt"] = prompt[:PROMPT_LONGEST] if isinstance(prompt, str) else None
            wanted = check(fields)
            directives = parse_prompt(wanted.prompt)
        except Refused as refusal:
            return refused(refusal.code, refusal.message, task_id="")
        except Misspelt as error:
            return refused(2013, str(error), task_id="")
        struck = self._strike("create", wanted.prompt, directives, (wanted.prompt,), entry)
        spoiled = _spoiled(struck, task_id="")
        if spoiled:
            return spoiled
        lasting = tuple(fault for fault in (*directives, *struck) if fault.of_the_job)
        job = self._jobs.accept(model=wanted.model, prompt=wanted.prompt, length=wanted.length, size=wanted.size, faults=lasting)
        self._faults.forget(wanted.prompt)
        entry["task_id"] = str(job.task_id)
        if job.succeeds():
            self._clips.prepare(self._jobs.clip(job))
        answer = as_json({"task_id": _id(job.task_id, job, struck), "base_resp": base_resp(0)}, code=0)
        answer.delay, answer.cut = _seconds(struck, "slow"), _has(struck, "lost")
        return answer

    def _query(self, request: Request, entry: Entry) -> Answer:
        task_id = request.query.get("task_id", "")
        entry["task_id"] = task_id[:PROMPT_LONGEST]
        nothing: Entry = {"task_id": task_id, "status": "", "file_id": "", "video_width": 0, "video_height": 0}
        try:
            self._check_key(request)
        except Refused as refusal:
            return refused(refusal.code, **nothing)
        job = self._jobs.of_task(task_id)
        if job is None:
            return refused(2013, "task_id is not known", **nothing)
        struck = self._strike_job("query", job, entry)
        spoiled = _spoiled(struck, **nothing)
        if spoiled:
            return spoiled
        now = self._clock()
        status = "Warming" if _has(struck, "unknown-status") else job.status(now)
        done, code = status == "Success", job.verdict_code(now)
        entry["status"] = status
        clip = self._jobs.clip(job)
        answer = refused(
            code,
            task_id=_id(job.task_id, job, struck),
            status=status,
            file_id=_id(job.file_id, job, struck) if done else "",
            video_width=clip.width if done else 0,
            video_height=clip.height if done else 0,
        )
        answer.delay = _seconds(struck, "slow")
        return answer

    def _retrieve(self, request: Request, entry: Entry) -> Answer:
        file_id = request.query.get("file_id", "")
        entry["file_id"] = file_id[:PROMPT_LONGEST]
        try:
            self._check_key(request)
        except Refused as refusal:
            return refused(refusal.code)
        job, now = self._jobs.of_file(file_id), self._clock()
        if job is None or job.status(now) != "Success":
            return refused(2013, "file_id is not known")
        struck = self._strike_job("retrieve", job, entry)
        spoiled = _spoiled(struck)
        if spoiled:
            return spoiled
        expires = int(now) - 1 if _has(struck, "expired") else int(now + self._link_seconds)
        with self._clips.open(self._jobs.clip(job)) as file:
            size = os.fstat(file.fileno()).st_size
        told = {
            "file_id": _id(job.file_id, job, struck),
            "bytes": size,
            "created_at": int(job.created_at + job.seconds),
            "filename": "output.mp4",
            "purpose": "video_generation",
            "download_url": self._link(job, expires),
        }
        answer = as_json({"file": told, "base_resp": base_resp(0)}, code=0)
        answer.delay = _seconds(struck, "slow")
        return answer

    def _download(self, request: Request, entry: Entry) -> Answer:
        """The storage behind MiniMax: another service, which knows no bearer and speaks no base_resp."""
        if request.authorization is not None:
            return _storage_error(
                400, "InvalidArgument", "Only one auth mechanism allowed: this link is signed, send no Authorization header"
            )
        job = self._jobs.of_file(request.path.removeprefix("/download/").removesuffix("/output.mp4"))
        expires = request.query.get("expires", "")
        if job is None or request.path != _path(job) or not self._is_signed(job, expires, request.query.get("signature", "")):
            return _storage_error(403, "SignatureDoesNotMatch", "The signature does not match")
        entry["file_id"] = str(job.file_id)
        struck = self._strike_job("download", job, entry)
        spoiled = _spoiled(struck)
        if spoiled:
            return spoiled
        if self._clock() > int(expires) or _has(struck, "expired"):
            answer = _storage_error(403, "AccessDenied", "Request has expired")
        elif _has(struck, "wrongtype"):
            answer = as_html("Please sign in", http=200)
        else:
            answer = Answer(content_type="video/mp4", file=self._clips.open(self._jobs.clip(job)), truncate=_has(struck, "truncate"))
        answer.delay, answer.drip = _seconds(struck, "slow"), _seconds(struck, "drip")
        return answer

    def _check_key(self, request: Request) -> None:
        scheme, _, key = (request.authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Refused(1004)
        if not hmac.compare_digest(key.strip().encode(), self._api_key.encode()):
            raise Refused(2049)

    def _strike_job(self, call: str, job: Job, entry: Entry) -> list[Directive]:
        entry["task_id"] = str(job.task_id)
        return self._strike(call, str(job.task_id), parse_prompt(job.prompt), (job.prompt, str(job.task_id)), entry)

    def _strike(self, call: str, subject: str, directives: tuple[Directive, ...], names: tuple[str, ...], entry: Entry) -> list[Directive]:
        struck = self._faults.strike(call, subject, directives, names)
        entry["faults"] = [label for _, label in struck]
        return [directive for directive, _ in struck]

    # ---- Links ------------------------------------------------------------------------------------------------------

    def _link(self, job: Job, expires: int) -> str:
        return f"{self.url}{_path(job)}?" + urlencode({"expires": expires, "signature": self._signature(job, str(expires))})

    def _signature(self, job: Job, expires: str) -> str:
        return hmac.new(self._api_key.encode(), f"{job.file_id} {expires}".encode(), hashlib.sha256).hexdigest()

    def _is_signed(self, job: Job, expires: str, signature: str) -> bool:
        return hmac.compare_digest(self._signature(job, expires).encode(), signature.encode())

    # ---- Control ----------------------------------------------------------------------------------------------------

    def _order_fault(self, request: Request) -> Answer:
        try:
            order = Order.parse(json.loads(request.body))
        except Misspelt as error:
            return as_json({"error": str(error)}, http=400)
        except (ValueError, RecursionError):
            return as_json({"error": "the body is not JSON"}, http=400)
        self._faults.order(order)
        return as_json({"fault": str(order)}, http=201)

    def _clear_faults(self, request: Request) -> Answer:
        self._faults.clear_orders()
        return as_json({})


def restore_strikes(faults: FaultBook, log: JsonLines) -> None:
    """Faults that struck before a restart are not due again."""
    for entry in log:
        subject = entry.get("prompt") if entry["call"] == "create" else entry.get("task_id")
        if subject is None:
            continue
        faults.restore(subject, entry["faults"])
        if entry["call"] == "create" and "task_id" in entry:
            faults.forget(subject)


def _unknown(request: Request, entry: Entry) -> Answer:
    return as_html("404 page not found", http=404)


def _storage_error(http: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(http=http, body=body.encode(), content_type="application/xml")


def _path(job: Job) -> str:
    return f"/download/{job.file_id}/output.mp4"


def _id(number: int, job: Job, struck: list[Directive]) -> int | str:
    return number if job.has("numeric-ids") or _has(struck, "numeric-ids") else str(number)


def _has(struck: list[Directive], name: str) -> bool:
    return any(fault.name == name for fault in struck)


def _seconds(struck: list[Directive], name: str) -> float:
    return sum(fault.value for fault in struck if fault.name == name)


def _spoiled(struck: list[Directive], **fields: Any) -> Answer | None:
    """The answer of a fault that keeps the call from being done at all; None when none of them does."""
    answer = None
    for fault in struck:
        match fault.name:
            case "status":
                answer = refused(int(fault.value), **fields)
            case "rate-limit":
                answer = refused(1002, **fields)
            case "http":
                answer = as_html(f"{int(fault.value)} Sandbox Fault", http=int(fault.value))
            case "garbage":
                answer = as_html("Welcome to nginx!", http=200)
            case "cut":
                answer = Answer(cut=True)
    if answer:
        answer.delay = _seconds(struck, "slow")
    return answer
