"""What is answered on the event loop alike: which requests are so usual that they are, and how an answer leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from conduit.api.access_log import log_request
from conduit.api.always import with_always
from conduit.web.refusals import Headers
from keys.client_tokens import is_client_token


def usual(scope: Mapping[str, Any], unusual: frozenset[bytes]) -> tuple[dict[bytes, bytes], str] | None:
    """A request's headers and its key's secret; None when a header is there twice or is one of `unusual`, or its host is not served."""
    headers = dict(scope["headers"])
    if len(headers) != len(scope["headers"]) or not unusual.isdisjoint(headers):
        return None
    secret = _bearer(headers)
    return (headers, secret) if secret and _is_served(headers.get(b"host", b"")) else None


def _bearer(headers: Mapping[bytes, bytes]) -> str | None:
    """Client tokens, which are told by their look, go the ordinary way: browsers send them, from other origins, which go there anyhow."""
    scheme, _, sent = headers.get(b"authorization", b"").partition(b" ")
    secret = sent.strip().decode("latin-1")
    is_usual = scheme.lower() == b"bearer" and secret.isascii() and not is_client_token(secret)
    return secret if is_usual else None


@lru_cache(maxsize=64)
def _is_served(host: bytes) -> bool:
    """Whether Django serves that host."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes = b""

    async def leave(self, scope: Mapping[str, Any], send: Any, *, request_id: str, client: str, began: float) -> None:
        """With what every answer has, and with its line in the log. `began`: by time.perf_counter()."""
        headers = with_always([*self.headers, (b"X-Request-ID", request_id.encode())])
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
        log_request(method=scope["method"], path=scope["path"], status=self.status, began=began, client=client)


def header_lines(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def length_of(body: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length", str(len(body)).encode()
