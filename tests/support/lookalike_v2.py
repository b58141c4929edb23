"""V2 of the MiniMax look-alike: real HTTP statuses, records, a list, and a DELETE that cancels what is queued."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from tests.support.lookalike import ApiHandler, Job, LookAlike
    from tests.support.lookalike_server import Answer

CALLS = [
    ("POST", r"/v2/video_generation", "create"),
    ("GET", r"/v2/query/video_generation", "list"),
    ("GET", r"/v2/query/video_generation/([^/]+)", "query"),
    ("DELETE", r"/v2/video_generation/([^/]+)", "cancel"),
]
RATIOS = {"21:9", "16:9", "4:3", "1:1", "3:4", "9:16"}


def serve(handler: ApiHandler) -> None:
    """Answer a request of V2 in the manner that the test wants."""
    minimax, url = handler.minimax, urlsplit(handler.path)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    call, identifier = _call(handler.command, url.path)
    fields = json.loads(body) if call == "create" else {}
    job = minimax.job(identifier)
    answer = minimax.take(handler.seen(call, url.path, query, body, job.prompt if job else prompt_of(fields)))
    http, content = _content(minimax, handler.headers.get("Authorization"), call, job, fields, query, answer)
    headers = {"Content-Type": "application/json", "Trace-Id": f"trace-{len(minimax.requests)}"}
    handler.reply(replace(answer, http=http), json.dumps(dict(content) | dict(answer.fields)).encode(), headers)


def prompt_of(fields: Mapping[str, Any]) -> str:
    """The prompt of a create, of either version."""
    texts = [item["text"] for item in fields.get("content", []) if item.get("type") == "text"]
    return texts[0] if texts else str(fields.get("prompt"))


def error(http: int, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": "some_error", "message": message, "http_code": str(http)}, "request_id": "request-1"}


def record(minimax: LookAlike, job: Job, status: str) -> dict[str, object]:
    """A job as the query and the list show it."""
    return {
        "id": minimax.identifier(job.task_id),
        "model": job.model,
        "status": status,
        "content": {"url": minimax.link(job)} if status.lower() == "succeeded" else None,
        "resolution": job.fields.get("resolution"),
        "duration": str(job.fields.get("duration")),
        "ratio": job.fields.get("ratio"),
        "created_at": int(job.created_at),
    }


def _call(method: str, path: str) -> tuple[str, str]:
    for wanted, pattern, call in CALLS:
        found = re.fullmatch(pattern, path)
        if found and method == wanted:
            return call, next(iter(found.groups()), "")
    return "unknown", ""


def _content(
    minimax: LookAlike, bearer: str | None, call: str, job: Job | None, fields: Mapping[str, Any], query: Mapping[str, str], answer: Answer
) -> tuple[int, Mapping[str, object]]:
    if answer.code is not None:
        return answer.http, {"base_resp": {"status_code": answer.code, "status_msg": answer.message}}
    if bearer != f"Bearer {minimax.key}":
        return 401, error(401, "login fail (1004)")
    if answer.http >= 400 and not answer.accepted:
        return answer.http, error(answer.http, answer.message)
    match call:
        case "create":
            wrong = wrong_parameters(fields) or minimax.refuses(fields)
            if wrong:
                return 400, error(400, f"invalid params, {wrong} (2013)")
            return answer.http, {"task_id": minimax.identifier(minimax.make_job(fields).task_id)} if answer.makes_a_job else {}
        case "list":
            start = (int(query["page_num"]) - 1) * int(query["page_size"])
            jobs = [job for job in reversed(minimax.jobs) if "content" in job.fields][start : start + int(query["page_size"])]
            return answer.http, {"items": [record(minimax, job, _told(minimax, job)) for job in jobs], "total": len(minimax.jobs)}
        case "query" if job:
            status = answer.status or ("cancelled" if job.cancelled else minimax.ask(job))
            return answer.http, {"task": record(minimax, job, status)}
        case "cancel" if job:
            if _told(minimax, job).lower() != "queued":
                return 400, error(400, "the task is running (2013)")
            job.cancelled = True
            return answer.http, {}
    return 404, error(404, "no such task")


def _told(minimax: LookAlike, job: Job) -> str:
    """What the last query said."""
    if job.cancelled:
        return "cancelled"
    return minimax.statuses_v2[min(max(0, job.queries - 1), len(minimax.statuses_v2) - 1)]


def wrong_parameters(fields: Mapping[str, Any]) -> str:
    """What the model's table has against a create, empty when nothing."""
    if unknown := fields.keys() - {"model", "content", "resolution", "ratio", "duration", "callback_url"}:
        return f"unknown fields {sorted(unknown)}"
    sizes = {"MiniMax-H3": {None, "768P", "2K"}, "MiniMax-H3-Max": {None, "480P", "768P"}}.get(fields.get("model"))  # type: ignore[arg-type]
    if sizes is None:
        return f"unknown model {fields.get('model')}"
    if not 1 <= len(prompt_of(fields)) <= 7000:
        return "the prompt must have 1 to 7000 characters"
    roles = [item["role"] for item in fields["content"] if item["type"] == "image_url"]
    if not all(item["image_url"]["url"].startswith("data:image/") for item in fields["content"] if item["type"] == "image_url"):
        return "an image must be a data URL"
    frames = [role for role in roles if role != "reference_image"]
    if not set(frames) <= {"first_frame", "last_frame"} or len(set(frames)) != len(frames) or (frames and frames != roles):
        return f"roles {roles}"
    duration, resolution, ratio = (fields.get(name) for name in ("duration", "resolution", "ratio"))
    fine = duration in {None, *range(4, 16)} and resolution in sizes and ratio in {None, *RATIOS}
    return "" if fine else f"cannot make {duration, resolution, ratio}"
