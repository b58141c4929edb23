"""What browsers are told to do with our answers: a page runs scripts and styles of ours alone, and stands in nobody's frame."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase

from conduit.api.policy import HEADER, NOTHING

# Nothing is `unsafe`: a script or style that stands in the page itself is not run. Pictures and videos come over /media/, which
# PUBLIC_URL may call by another name than the page was asked for, and which leads on to the storage.
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: {files}; media-src 'self' blob: {files}; "
    "connect-src 'self'{sockets}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_AMAZON = "s3.amazonaws.com"


class ContentPolicy:
    """Middleware: each page and each answer in JSON says what it may do."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._files = " ".join(_origins_of_files())

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            answer.headers.setdefault(HEADER, _PAGE.format(files=self._files, sockets=_sockets(request)))
        elif kind.startswith("application/json"):
            answer.headers.setdefault(HEADER, NOTHING)
        return answer


def page_policy() -> str:
    """Of a page that is made without a request, and opens no socket."""
    return _PAGE.format(files=" ".join(_origins_of_files()), sockets="")


def _sockets(request: HttpRequest) -> str:
    """Not every browser takes 'self' for a socket of the same host."""
    try:
        host = request.get_host()
    except DisallowedHost:
        return ""
    return f" ws://{host} wss://{host}"


def _origins_of_files() -> Iterator[str]:
    yield _origin(settings.PUBLIC_URL)
    if settings.S3_BUCKET:
        options = settings.STORAGES["default"].get("OPTIONS", {})
        region = options.get("region_name")
        hosts = [_AMAZON, *([f"s3.{region}.amazonaws.com"] if region else [])]
        given = options.get("public_endpoint_url") or options.get("endpoint_url")
        for endpoint in [given] if given else [f"https://{host}" for host in hosts]:
            yield from _origins_of_bucket(endpoint, options.get("addressing_style"))


def _origins_of_bucket(endpoint: str, style: str | None) -> Iterator[str]:
    """Where boto may lead: the bucket is named in the path or in the host."""
    if style != "virtual":
        yield _origin(endpoint)
    if style != "path":
        parts = urlsplit(endpoint)
        yield f"{parts.scheme}://{settings.S3_BUCKET}.{parts.netloc}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
