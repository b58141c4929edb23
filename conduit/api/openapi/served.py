"""`/openapi.json` and `/docs`: what this place serves of itself, to anybody."""

import gzip
import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from conduit.api.openapi.generating import Generator
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


class DocsView(SpectacularSwaggerSplitView):
    """Swagger's page of it, in two parts: nothing stands in the page itself that our policy would not run."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    url = PATH
    template_name, template_name_js = "api/docs.html", "api/docs.js"
