"""Errors as the contract writes them."""

from typing import Any

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    410: "not_found_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}


def refused(answer: Any, status: int, code: str, param: str | None = None) -> str:
    """Check that the answer is this error in its whole envelope, and give its message."""
    assert answer.status_code == status, (answer.status_code, answer.content)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Request-ID"]
    body = answer.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert (error["type"], error["code"], error["param"]) == (TYPES[status], code, param)
    assert isinstance(error["message"], str)
    assert error["message"]
    return error["message"]
