"""Scripts of other origins may send any header: what browsers' tracing and SDKs add (`traceparent`, `baggage`, `x-stainless-…`) is read by
nobody here, and a list of names would only refuse those of tomorrow."""

import re

from corsheaders.conf import conf
from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

ALLOWED, ASKED = "access-control-allow-headers", "Access-Control-Request-Headers"
# Names of headers with commas between them, as many as a browser sends.
_NAMES = re.compile(r"[\w!#$%&'*+.^`|~-]{1,100}(?:\s*,\s*[\w!#$%&'*+.^`|~-]{1,100}){0,99}", re.ASCII)


def names_asked_for(asked: str) -> list[str]:
    """The headers that a preflight asks for, in lower case; none where it asks for none, or for what is no header."""
    return [name.strip().lower() for name in asked.split(",")] if _NAMES.fullmatch(asked.strip()) else []


class AnyHeaderCors(CorsMiddleware):
    """django-cors-headers, which knows a list of headers alone. `*` would not do: browsers do not take it for `Authorization`."""

    def add_response_headers(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response = super().add_response_headers(request, response)
        if ALLOWED in response.headers:
            names = dict.fromkeys([*conf.CORS_ALLOW_HEADERS, *names_asked_for(request.headers.get(ASKED, ""))])
            response.headers[ALLOWED] = ", ".join(names)
        return response
