"""`/openapi.json` and `/docs`: what this place serves of itself, to anybody.

Most processes are never asked for either: drf-spectacular, which brings Django's and DRF's test clients with it, is loaded by the thread
that makes the first answer.
"""

import gzip
import json
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from conduit.api.views import etag_of, is_known, not_modified, read_only

PATH = "/openapi.json"


@cache
def _kept() -> tuple[bytes, bytes, str]:
    """The document, as it is and packed, and its tag, made once in each process: what it says changes with a release alone, and asks no
    database."""
    rendered = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()
    return rendered, gzip.compress(rendered, mtime=0), etag_of(rendered)


def document() -> dict[str, Any]:
    """The whole document, made anew."""
    from conduit.api.openapi.generating import Generator

    made: dict[str, Any] = Generator().get_schema(request=None, public=True)
    return made


@read_only
def openapi(request: HttpRequest) -> HttpResponse:
    rendered, packed, etag = _kept()
    headers = {"ETag": f"W/{etag}", "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if is_known(request, etag):
        return not_modified(headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):  # it repeats itself: a twentieth of its size
        return HttpResponse(packed, content_type="application/json", headers=headers | {"Content-Encoding": "gzip"})
    return HttpResponse(rendered, content_type="application/json", headers=headers)


@csrf_exempt  # else a POST is told about cookies instead of the methods that there are
def docs(request: HttpRequest) -> HttpResponseBase:
    from conduit.api.openapi.page import DocsView

    return DocsView.as_view(url=PATH)(request)
