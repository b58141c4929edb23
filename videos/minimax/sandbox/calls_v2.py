"""V2's calls: create, query, list and cancel, with errors as HTTP statuses."""

from collections.abc import Callable
from typing import Any

from videos.minimax.sandbox.creation import check_v2
from videos.minimax.sandbox.faults import Directive
from videos.minimax.sandbox.jobs import Job
from videos.minimax.sandbox.messages import Answer, Refused, Request, as_json, v2_error, v2_refused
from videos.minimax.sandbox.ordering import accept
from videos.minimax.sandbox.storage import clip_path
from videos.minimax.sandbox.world import Entry, World, has, number_or_text, seconds, spoiled

_PAGE_SIZE, _PAGE_SIZE_MOST = 10, 500
_ID_LONGEST = 100


class V2:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, request: Request, entry: Entry) -> Answer:
        return accept(
            self._world,
            request,
            entry,
            check=check_v2,
            prompt_of=_prompt,
            refuse=lambda code, message="": v2_refused(request, code, message),
            answer=lambda task_id: as_json({"task_id": task_id}),
            fail=_failing(request),
        )

    def query(self, request: Request, entry: Entry) -> Answer:
        def answer(job: Job, struck: list[Directive]) -> Answer:
            record = self._record(job, struck)
            entry["status"] = record["status"]
            return as_json({"task": record})

        return self._about_job("query", request, entry, answer)

    def cancel(self, request: Request, entry: Entry) -> Answer:
        """Cancel a job that waits, or forget one that is over."""

        def answer(job: Job, struck: list[Directive]) -> Answer:
            if not self._world.jobs.delete(job):
                return v2_refused(request, 2013, f"a task that is {job.status(self._world.clock())} cannot be deleted")
            done = as_json({})
            done.cut = has(struck, "lost")
            return done

        return self._about_job("cancel", request, entry, answer)

    def page(self, request: Request, entry: Entry) -> Answer:
        """The jobs of the last seven days, newest first, by pages."""
        world = self._world
        try:
            account = world.check_key(request)
            number, size = _whole(request, "page_num", 1, 10**6), _whole(request, "page_size", _PAGE_SIZE, _PAGE_SIZE_MOST)
        except Refused as refusal:
            return v2_refused(request, refusal.code, refusal.message)
        struck = world.strike("list", "list", (), ("",), entry)
        unable = spoiled(struck, lambda code: v2_refused(request, code), _failing(request))
        if unable:
            return unable
        now, status, model = world.clock(), request.query.get("filter.status"), request.query.get("filter.model")
        shown = [
            job
            for job in world.jobs.newest_first()
            if job.api == "v2"
            and job.account == account.name
            and job.is_shown(now)
            and status in (None, job.status(now))
            and model in (None, job.model)
        ]
        page = shown[(number - 1) * size : number * size]
        answer = as_json({"items": [self._record(job, []) for job in page], "total": len(shown)})
        answer.delay = seconds(struck, "slow")
        return answer

    def _about_job(self, call: str, request: Request, entry: Entry, answer: Callable[[Job, list[Directive]], Answer]) -> Answer:
        """What every call about one job has in common; the job's id ends the path."""
        world, task_id = self._world, request.path.rpartition("/")[2]
        entry["task_id"] = task_id[:_ID_LONGEST]
        try:
            account = world.check_key(request)
        except Refused as refusal:
            return v2_refused(request, refusal.code)
        job = world.jobs.of_task(task_id, account=account.name)
        if job is None or job.api != "v2" or not job.is_shown(world.clock()):
            return v2_error(request, 404, "the task does not exist")
        struck = world.strike_job(call, job, entry)
        unable = spoiled(struck, lambda code: v2_refused(request, code), _failing(request))
        if unable:
            return unable
        done = answer(job, struck)
        done.delay = seconds(struck, "slow")
        return done

    def _record(self, job: Job, struck: list[Directive]) -> dict[str, Any]:
        return record(self._world, job, struck)


def record(world: World, job: Job, struck: list[Directive]) -> dict[str, Any]:
    """A job as the query and the list show it."""
    now = world.clock()
    status = "warming" if has(struck, "unknown-status") else job.status(now)
    code = job.verdict_code(now)
    return {
        "id": number_or_text(job.task_id, job, struck),
        "model": job.model,
        "status": status,
        "error": {"code": str(code), "message": "the task failed"} if status == "failed" else None,
        "content": {"url": world.links.to(clip_path(job))} if status == "succeeded" else None,
        "resolution": job.size,
        "duration": job.length,
        "ratio": job.ratio,
        "usage": {"video_seconds": job.length} if status == "succeeded" else None,
        "created_at": int(job.created_at),
        "updated_at": int(min(now, job.created_at + job.seconds if job.deleted_at is None else job.deleted_at)),
    }


def pushed(world: World, job: Job, word: str) -> dict[str, Any]:
    """What a callback says: the query's shape."""
    words = {"processing": "running", "success": "succeeded"}
    return {"task": record(world, job, []) | {"status": words.get(word, word)}}


def _prompt(fields: dict[str, Any]) -> Any:
    content = fields.get("content")
    items = content if isinstance(content, list) else []
    return next((item.get("text") for item in items if isinstance(item, dict) and item.get("type") == "text"), None)


def _failing(request: Request) -> Callable[[int], Answer]:
    return lambda http: v2_error(request, http, "sandbox fault")


def _whole(request: Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise Refused(2013, f"{name} must be a number from 1 to {most}")
    return int(text)
