"""The endpoints of OpenAI's Videos API."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from django.db.models import QuerySet
from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.errors import Conflict, InvalidRequest, NotFound
from conduit.api.idempotency import Idempotency, idempotent
from conduit.api.pagination import page, parse_limit
from conduit.api.parsers import StrictJSONParser
from keys.client_tokens import Right, check_made
from keys.keyed_view import KeyedView
from tasks.ids import parse_task_id
from tasks.models import Status, Task
from videos import downloads, sheets
from videos.deletion import MediaDeleted
from videos.dialects.openai import creating, repeats
from videos.dialects.openai.deletion import unlist
from videos.dialects.openai.requests import MultipartParser
from videos.dialects.openai.wire import show
from videos.links import MediaName, StoredFile
from videos.models import Video
from videos.presentation import KIND

# When a client that polls shall ask again, in milliseconds: it reads the first and keeps it, so it is no guess of how long a video takes.
POLL_AFTER_MS = 1500
_FILES: dict[str, MediaName] = {"video": "video.mp4", "thumbnail": "thumbnail.jpg"}
SPRITESHEET = "spritesheet"
VARIANTS = (*_FILES, SPRITESHEET)
# When to ask for a sheet again that is being made, in seconds; the request is kept waiting on the loop before (conduit.web.sheets).
SHEET_AFTER_SECONDS = 2
_ORDERS = ("asc", "desc")


class VideosApiView(KeyedView):
    """What its clients want to hear with every answer, refusals included."""

    parser_classes = [StrictJSONParser, MultipartParser]

    def finalize_response(self, request: Request, response: Any, *args: Any, **named: Any) -> Any:
        response = super().finalize_response(request, response, *args, **named)
        response.headers["openai-poll-after-ms"] = str(POLL_AFTER_MS)
        if response.status_code == Conflict.status and "Retry-After" not in response.headers:
            # They take every 409 for a lock that goes away, and try again.
            response.headers["x-should-retry"] = "false"
        return response

    def videos(self) -> QuerySet[Task]:
        """The key's own, but for those that were deleted here."""
        return Task.objects.for_key(self.key).filter(kind=KIND, video__unlisted_at=None)

    def video(self, video_id: str) -> Task:
        """The key's own video of that id.

        Raises:
            NotFound: there is none.
        """
        if parsed := parse_task_id(video_id):
            with suppress(Task.DoesNotExist):
                return self.videos().get(pk=parsed)
        raise NotFound("This key has no video of that id.", code="video_not_found", param="video_id")


class VideosView(VideosApiView):
    creates = True
    token_may = {"GET": Right.READ_KEY, "POST": Right.CREATE}

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        task = creating.create(key=self.key, data=request.data, count=repeats.count_of(request.headers), idempotency=idempotency)
        return Response(show(task, clock.now()))

    def get(self, request: Request) -> Response:
        query = request.query_params
        limit, order = parse_limit(query), query.get("order", "desc")
        if order not in _ORDERS:
            raise InvalidRequest(f"`order` must be one of {', '.join(_ORDERS)}.", param="order")
        rows = self.videos().order_by("id" if order == "asc" else "-id")
        if after := query.get("after"):
            rows = rows.filter(**{"pk__gt" if order == "asc" else "pk__lt": self._last_of_page(after).pk})
        now = clock.now()
        return Response(page(rows[: limit + 1], limit, lambda task: show(task, now), id_field="id"))

    def _last_of_page(self, after: str) -> Task:
        try:
            return self.video(after)
        except NotFound:
            raise InvalidRequest("`after` must be the id of one of this key's videos.", param="after") from None


class VideoView(VideosApiView):
    token_may = {"GET": Right.READ, "DELETE": Right.CREATE}

    def get(self, request: Request, video_id: str) -> Response:
        return Response(show(self.video(video_id), clock.now()))

    def delete(self, request: Request, video_id: str) -> Response:
        task = self.video(video_id)
        check_made(self.key, task.pk)
        unlist(task)
        return Response({"id": str(task.pk), "object": "video.deleted", "deleted": True})


class RemixView(VideosApiView):
    creates = True
    token_may = {"POST": Right.CREATE}

    @idempotent
    def post(self, request: Request, video_id: str, idempotency: Idempotency | None) -> Response:
        original, count = self.video(video_id), repeats.count_of(request.headers)
        task = creating.remix(original, key=self.key, data=request.data, count=count, idempotency=idempotency)
        return Response(show(task, clock.now()))


class ContentView(VideosApiView):
    token_may = {"GET": Right.READ}

    def get(self, request: Request, video_id: str) -> HttpResponseBase:
        variant = request.query_params.get("variant", "video")
        if variant not in VARIANTS:
            raise InvalidRequest(f"`variant` must be one of {', '.join(VARIANTS)}.", param="variant")
        task = self.video(video_id)
        if task.status != Status.COMPLETED:
            raise NotFound(f"This video has no content: it is {task.status}.", code="video_not_ready", param="video_id")
        if task.video.is_without_result:
            raise MediaDeleted
        stored = _sheet(task.video) if variant == SPRITESHEET else task.video.stored_file(_FILES[variant])
        if stored is None:
            raise NotFound("There is no such file.")
        return downloads.answer(request._request, stored)


class SheetUnderWay(Conflict):
    """A sheet that is being made: to be asked for again, as these clients do by themselves after this one 409."""

    code = "spritesheet_under_way"

    def __init__(self) -> None:
        super().__init__("This video's spritesheet is being made. Ask for it again.", headers={"Retry-After": str(SHEET_AFTER_SECONDS)})


def _sheet(video: Video) -> StoredFile | None:
    """The file of a sheet that there is; from the first time that it is asked for on, it is made.

    Raises:
        SheetUnderWay: it is not there yet.
    """
    sheet = sheets.ask_for(video)
    if sheet.due_at:
        raise SheetUnderWay
    if sheet.is_given_up:
        raise NotFound("This video's spritesheet could not be made.")
    return sheet.stored_file


def _never(words: str) -> Callable[..., NoReturn]:
    def post(view: VideosApiView, request: Request) -> NoReturn:
        raise InvalidRequest(words)

    return post


class EditsView(VideosApiView):
    post = _never("Videos cannot be edited here: `POST /v1/videos/{id}/remix` makes a new one of another prompt.")


class ExtensionsView(VideosApiView):
    post = _never("Videos cannot be extended here: `seconds` of `POST /v1/videos` may be up to 60.")


class CharactersView(VideosApiView):
    post = _never("Characters are not supported: videos are made from a prompt alone.")
