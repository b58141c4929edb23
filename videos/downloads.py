"""`/media/{task_id}/{name}`: the files of a result, for the holder of a link that we signed.

From the disk the file is streamed here, in whole or in one range; from S3 the answer is a redirect to a link that S3
takes for just this method, file and time.
"""

import re
from typing import Any

import structlog
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from conduit import clock
from conduit.api.callers import client_known
from conduit.api.errors import ApiError, Forbidden, MethodNotAllowed, NotFound, response_for
from conduit.api.views import is_known, not_modified
from tasks.ids import parse_task_id
from videos.deletion import MediaDeleted
from videos.links import LinkRefused, StoredFile, check
from videos.models import Video

log = structlog.get_logger(__name__)

CHUNK_BYTES = 256 * 1024
# Where no link says how long it is good for.
ANSWERED_SECONDS = 600
# S3 signs nothing for longer than a week.
PRESIGNED_SECONDS_MAX = 7 * 24 * 3600

_REFUSED = {
    "invalid": "This link is not one of ours, or a part of it is missing. Read the task to get a new one.",
    "expired": "This link is no longer valid. Read the task to get a new one.",
}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class RangeNotSatisfiable(ApiError):
    status, type, code = 416, "invalid_request_error", "range_not_satisfiable"


@csrf_exempt  # else a POST is told about cookies instead of the methods that there are
def serve(request: HttpRequest, task_id: str, name: str) -> HttpResponseBase:
    """GET and HEAD of one file of a result."""
    try:
        return _serve(request, task_id, name)
    except ApiError as error:
        response = response_for(error)
        response["Cache-Control"] = "no-store"
        return response


def _serve(request: HttpRequest, task_id: str, name: str) -> HttpResponseBase:
    if request.method not in ("GET", "HEAD"):
        allowed = {"Allow": "GET, HEAD"}
        raise MethodNotAllowed("This path does not answer that method. The Allow header lists the methods it takes.", headers=allowed)
    seconds_left, stored = _admit(request, task_id, name)
    return answer(request, stored, seconds_left)


def answer(request: HttpRequest, stored: StoredFile, seconds_left: int = ANSWERED_SECONDS) -> HttpResponseBase:
    """GET and HEAD of a file, for a client that was let in: caches may keep it, and a link elsewhere lives, for `seconds_left`.

    Raises:
        NotFound: it is no longer there.
        RangeNotSatisfiable: it is shorter than the range that was asked for.
    """
    if isinstance(default_storage, FileSystemStorage):
        return _from_disk(request, stored, seconds_left)
    return _from_elsewhere(request, stored, seconds_left)


def _disposition(request: HttpRequest, stored: StoredFile) -> str:
    """Downloads unless the link says `inline=1`: then a browser plays it in the tab. Players ignore either."""
    return f'{"inline" if request.GET.get("inline") == "1" else "attachment"}; filename="{stored.filename}"'


def _admit(request: HttpRequest, task_id: str, name: str) -> tuple[int, StoredFile]:
    """How many seconds the link still lives, and the file that it opens. The database is asked for good links only."""
    task, now = parse_task_id(task_id), clock.now()
    if task is None or name not in ("video.mp4", "thumbnail.jpg"):
        raise NotFound("There is nothing at this path.")
    expires = request.GET.get("expires", "")
    try:
        check(task, name, expires, request.GET.get("signature", ""), now)
    except LinkRefused as refused:
        raise Forbidden(_REFUSED[refused.reason], code="link_expired" if refused.reason == "expired" else "invalid_link") from None
    client_known(getattr(request, "scope", {}))
    video = Video.objects.delivered(task)
    if video and video.is_without_result:
        raise MediaDeleted
    stored = video.stored_file(name) if video else None
    if stored is None:
        raise NotFound("There is no such file.")
    return max(1, int(expires) - int(now.timestamp())), stored


# ---- From the disk ----------------------------------------------------------------------------------------------------


def _from_disk(request: HttpRequest, stored: StoredFile, seconds_left: int) -> HttpResponseBase:
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={seconds_left}",
        "Content-Disposition": _disposition(request, stored),
        "ETag": stored.etag,
    }
    if is_known(request, stored.etag):
        return not_modified(headers)
    file = _open(stored)
    try:
        part = _wanted_part(request, stored)
    except ApiError:
        file.close()
        raise
    first, length = part or (0, stored.size)
    headers |= {"Content-Length": str(length), "Content-Type": stored.content_type}
    if part:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{stored.size}"
    if request.method == "HEAD":
        file.close()
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(_Part(file, first, length), status=206 if part else 200, headers=headers)


def _open(stored: StoredFile) -> "File[Any]":
    try:
        file = default_storage.open(stored.name)
    except FileNotFoundError:
        log.error("a stored file is gone", file=stored.name)
        raise NotFound("This file is no longer there.") from None
    if file.size != stored.size:
        file.close()
        log.error("a stored file has another size than it was stored with", file=stored.name, expected=stored.size, found=file.size)
        raise NotFound("This file is no longer there.")
    return file


def _wanted_part(request: HttpRequest, stored: StoredFile) -> tuple[int, int] | None:
    """Where the one range that a GET asks for begins and how long it is; None: the whole file (RFC 9110, section 14.2).

    A range that is malformed, or one of several, is ignored, as is one for an older file than ours (If-Range).
    """
    asked = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if asked is None or request.method != "GET" or request.headers.get("If-Range", stored.etag) != stored.etag:
        return None
    start, end = asked.groups()
    if not start and not end:
        return None
    if not start:
        first, last = max(0, stored.size - int(end)), stored.size - 1
    else:
        first, last = int(start), min(int(end or stored.size), stored.size - 1)
        if end and int(end) < first:
            return None
    if first > last:
        raise RangeNotSatisfiable(f"The file has {stored.size} bytes.", headers={"Content-Range": f"bytes */{stored.size}"})
    return first, last - first + 1


class _Part:
    """A part of an open file, chunk by chunk. Unlike a generator's, its `close` also closes a file that nobody began to read."""

    def __init__(self, file: "File[Any]", first: int, length: int) -> None:
        file.seek(first)
        self.file, self.left = file, length
        self.close = file.close

    def __iter__(self) -> "_Part":
        return self

    def __next__(self) -> bytes:
        chunk = self.file.read(min(CHUNK_BYTES, self.left)) if self.left else b""
        if not chunk:
            raise StopIteration
        self.left -= len(chunk)
        return chunk


# ---- From S3 --------------------------------------------------------------------------------------------------------


def _from_elsewhere(request: HttpRequest, stored: StoredFile, seconds_left: int) -> HttpResponseBase:
    storage: Any = default_storage  # S3Storage.url takes more than Django's storages do
    url = storage.url(
        stored.name,
        parameters={"ResponseContentDisposition": _disposition(request, stored), "ResponseContentType": stored.content_type},
        expire=min(seconds_left, PRESIGNED_SECONDS_MAX),
        http_method=request.method,
    )
    # The redirect is for this method and this moment: the next request gets a link of its own.
    return HttpResponseRedirect(url, headers={"Cache-Control": "no-store"})
