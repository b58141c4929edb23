"""`/openapi.json` and `/docs`: what this place serves of itself, to anybody."""

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
def _kept() -> tuple[bytes, str]:
    """The document and its tag, made once in each process: what it says changes with a release alone, and asks no database."""
    rendered = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()
    return rendered, etag_of(rendered)


def document() -> dict[str, Any]:
    """The whole document, made anew."""
    made: dict[str, Any] = Generator().get_schema(request=None, public=True)
    return made


@read_only
def openapi(request: HttpRequest) -> HttpResponse:
    rendered, etag = _kept()
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    return not_modified(headers) if is_known(request, etag) else HttpResponse(rendered, content_type="application/json", headers=headers)


class DocsView(SpectacularSwaggerSplitView):
    """Swagger's page of it, in two parts: nothing stands in the page itself that our policy would not run."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    url = PATH
    template_name, template_name_js = "api/docs.html", "api/docs.js"
