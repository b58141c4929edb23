"""What goes over the wire, apart from any socket: a request as it came, an answer as it will go."""

import html
import json
from dataclasses import dataclass
from typing import Any, BinaryIO

STATUS_MESSAGES = {
    0: "success",
    1000: "unknown error",
    1001: "request timeout",
    1002: "rate limit exceeded(RPM)",
    1004: "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
    1008: "insufficient balance",
    1013: "internal error",
    1024: "internal error",
    1026: "input new_sensitive",
    1027: "output new_sensitive",
    1028: "account quota exceeded",
    1030: "account quota exceeded",
    1033: "system error",
    1039: "token limit exceeded(TPM)",
    1041: "conn limit exceeded",
    1042: "invisible character ratio limit",
    2013: "invalid params",
    2038: "account not verified",
    2045: "rate growth limit",
    2049: "invalid api key",
    2056: "usage limit exceeded",
    2061: "your current token plan does not support this model",
}

# How V2 says the same: the HTTP status of each code, and the type of each HTTP status.
_HTTP_OF_CODE = {
    1002: 429,
    1004: 401,
    1008: 402,
    1026: 422,
    1027: 422,
    1028: 402,
    1030: 402,
    1039: 429,
    1041: 429,
    1042: 400,
    2013: 400,
    2038: 401,
    2045: 429,
    2049: 401,
    2056: 429,
    2061: 401,
}
_TYPES = {
    401: "authentication_error",
    402: "insufficient_balance_error",
    404: "not_found_error",
    422: "unprocessable_entity_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class Refused(Exception):
    """MiniMax would not do this: `code` is its base_resp code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    authorization: str | None
    body: bytes
    trace_id: str


@dataclass(slots=True)
class Answer:
    """A body or a file, and what is done to it on its way out."""

    http: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    file: BinaryIO | None = None
    # Seconds before the first byte, and over which the body is stretched.
    delay: float = 0
    drip: float = 0
    # The connection ends without an answer, or in the middle of its body.
    cut: bool = False
    truncate: bool = False
    # The base_resp code inside, for the log.
    code: int | None = None


def as_json(content: Any, *, http: int = 200, code: int | None = None) -> Answer:
    return Answer(http=http, body=json.dumps(content).encode(), code=code)


def as_html(title: str, *, http: int) -> Answer:
    page = (
        f"<html>\n<head><title>{html.escape(title)}</title></head>\n<body><center><h1>{html.escape(title)}</h1></center></body>\n</html>\n"
    )
    return Answer(http=http, body=page.encode(), content_type="text/html; charset=utf-8")


def base_resp(code: int, message: str = "") -> dict[str, Any]:
    known = STATUS_MESSAGES.get(code, "error")
    return {"status_code": code, "status_msg": f"{known}, {message}" if message else known}


def refused(code: int, message: str = "", **fields: Any) -> Answer:
    """An error as MiniMax says it: inside HTTP 200."""
    return as_json(fields | {"base_resp": base_resp(code, message)}, code=code)


def v2_refused(request: Request, code: int, message: str = "") -> Answer:
    """The same error as V2 says it: as an HTTP status, with the code at the end of its words."""
    words = base_resp(code, message)["status_msg"]
    return v2_error(request, _HTTP_OF_CODE.get(code, 500), f"{words} ({code})", code=code)


def v2_error(request: Request, http: int, message: str, *, code: int | None = None) -> Answer:
    kind = _TYPES.get(http) or ("api_error" if http >= 500 else "bad_request_error")
    error = {"type": kind, "message": message, "http_code": str(http)}
    return as_json({"type": "error", "error": error, "request_id": request.trace_id}, http=http, code=code)
