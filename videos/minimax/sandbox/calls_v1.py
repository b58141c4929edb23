"""V1's calls: create, query and the file of a job, with every error inside HTTP 200."""

import os
from typing import Any

from videos.minimax.sandbox.creation import check_v1
from videos.minimax.sandbox.jobs import Job
from videos.minimax.sandbox.messages import Answer, Refused, Request, as_json, base_resp, refused
from videos.minimax.sandbox.ordering import accept
from videos.minimax.sandbox.storage import clip_path
from videos.minimax.sandbox.world import Entry, World, has, number_or_text, seconds, spoiled

# What the log keeps of an id that a client made up.
_ID_LONGEST = 100


class V1:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, request: Request, entry: Entry) -> Answer:
        return accept(
            self._world,
            request,
            entry,
            check=check_v1,
            prompt_of=lambda fields: fields.get("prompt"),
            refuse=lambda code, message="": refused(code, message, task_id=""),
            answer=lambda task_id: as_json({"task_id": task_id, "base_resp": base_resp(0)}, code=0),
        )

    def query(self, request: Request, entry: Entry) -> Answer:
        task_id = request.query.get("task_id", "")
        entry["task_id"] = task_id[:_ID_LONGEST]
        nothing: Entry = {"task_id": task_id, "status": "", "file_id": "", "video_width": 0, "video_height": 0}
        try:
            account = self._world.check_key(request)
        except Refused as refusal:
            return refused(refusal.code, **nothing)
        job = self._world.jobs.of_task(task_id, account=account.name)
        if job is None or job.api != "v1":
            return refused(2013, "task_id is not known", **nothing)
        struck = self._world.strike_job("query", job, entry)
        unable = spoiled(struck, lambda code: refused(code, **nothing))
        if unable:
            return unable
        now = self._world.clock()
        status = "Warming" if has(struck, "unknown-status") else job.status(now)
        done, code = status == "Success", job.verdict_code(now)
        entry["status"] = status
        clip = self._world.clip(job)
        answer = refused(
            code,
            task_id=number_or_text(job.task_id, job, struck),
            status=status,
            file_id=number_or_text(job.file_id, job, struck) if done else "",
            video_width=clip.width if done else 0,
            video_height=clip.height if done else 0,
        )
        answer.delay = seconds(struck, "slow")
        return answer

    def retrieve(self, request: Request, entry: Entry) -> Answer:
        world, file_id = self._world, request.query.get("file_id", "")
        entry["file_id"] = file_id[:_ID_LONGEST]
        try:
            account = world.check_key(request)
        except Refused as refusal:
            return refused(refusal.code)
        job, now = world.jobs.of_file(file_id, account=account.name), world.clock()
        if job is None or job.status(now) != "Success":
            return refused(2013, "file_id is not known")
        struck = world.strike_job("retrieve", job, entry)
        unable = spoiled(struck, refused)
        if unable:
            return unable
        with world.clips.open(world.clip(job)) as file:
            size = os.fstat(file.fileno()).st_size
        told = {
            "file_id": number_or_text(job.file_id, job, struck),
            "bytes": size,
            "created_at": int(job.created_at + job.seconds),
            "filename": "output.mp4",
            "purpose": "video_generation",
            "download_url": world.links.to(clip_path(job), expired=has(struck, "expired")),
        }
        answer = as_json({"file": told, "base_resp": base_resp(0)}, code=0)
        answer.delay = seconds(struck, "slow")
        return answer


def pushed(world: World, job: Job, word: str) -> dict[str, Any]:
    """What a callback says: the query's shape, with its status in lower case."""
    done, clip = word == "success", world.clip(job)
    return {
        "task_id": number_or_text(job.task_id, job, []),
        "status": word,
        "file_id": number_or_text(job.file_id, job, []) if done else "",
        "video_width": clip.width if done else 0,
        "video_height": clip.height if done else 0,
        "base_resp": base_resp(job.verdict_code(job.created_at + job.seconds) if word == "failed" else 0),
    }
