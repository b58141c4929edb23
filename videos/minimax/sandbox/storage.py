"""The storage behind MiniMax: another service, which knows no bearer and speaks no base_resp."""

from collections.abc import Callable

from videos.minimax.sandbox.faults import Directive, parse_prompt
from videos.minimax.sandbox.jobs import Job
from videos.minimax.sandbox.messages import Answer, Request, as_html, refused
from videos.minimax.sandbox.world import Entry, World, has, seconds, spoiled


def clip_path(job: Job) -> str:
    return f"/download/{job.file_id}/output.mp4"


class Storage:
    def __init__(self, world: World) -> None:
        self._world = world

    def download(self, request: Request, entry: Entry) -> Answer:
        """A clip."""
        world = self._world
        job = world.jobs.of_file(request.path.removeprefix("/download/").removesuffix("/output.mp4"))
        found = job if job and request.path == clip_path(job) else None
        refusal = self._refusal(request, known=found is not None)
        if refusal or found is None:
            return refusal or _unsigned()
        entry["file_id"] = str(found.file_id)
        struck = world.strike_job("download", found, entry)
        return self._answer(request, struck, lambda: Answer(content_type="video/mp4", file=world.clips.open(world.clip(found))))

    def download_image(self, request: Request, entry: Entry) -> Answer:
        world = self._world
        image = world.gallery.at(request.path)
        refusal = self._refusal(request, known=image is not None)
        if refusal or image is None:
            return refusal or _unsigned()
        prompt, image_id = image.order.prompt, str(image.order.order_id)
        entry["image_id"] = image_id
        struck = world.strike("download-image", image_id, parse_prompt(prompt), (prompt, image_id), entry)
        return self._answer(request, struck, lambda: Answer(content_type="image/jpeg", body=image.jpeg()))

    def _refusal(self, request: Request, *, known: bool) -> Answer | None:
        if request.authorization is not None:
            return _error(400, "InvalidArgument", "Only one auth mechanism allowed: this link is signed, send no Authorization header")
        return None if known and self._world.links.is_signed(request) else _unsigned()

    def _answer(self, request: Request, struck: list[Directive], whole: Callable[[], Answer]) -> Answer:
        unable = spoiled(struck, refused)
        if unable:
            return unable
        if self._world.links.has_expired(request) or has(struck, "expired"):
            answer = _error(403, "AccessDenied", "Request has expired")
        elif has(struck, "wrongtype"):
            answer = as_html("Please sign in", http=200)
        else:
            answer = whole()
            answer.truncate = has(struck, "truncate")
        answer.delay, answer.drip = seconds(struck, "slow"), seconds(struck, "drip")
        return answer


def _unsigned() -> Answer:
    return _error(403, "SignatureDoesNotMatch", "The signature does not match")


def _error(http: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(http=http, body=body.encode(), content_type="application/xml")
