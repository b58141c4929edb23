"""The API's errors: one tree that carries the codes, one handler that makes the envelope.

Every non-2xx answer is `{"error": {"message", "type", "code", "param"}}`. Rooms raise (or subclass) what stands here;
nothing else in the project writes an error body.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db.utils import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions as drf
from rest_framework.response import Response

log = structlog.get_logger(__name__)

METHOD_NOT_ALLOWED = "This path does not answer that method. The Allow header lists the methods it takes."
# When to come back after a 503, in seconds.
OVERLOADED_RETRY_SECONDS = 5
# Postgres undid the transaction because others were at the same rows, or because it stood still for too long (conduit.database):
# the same call, sent again, may well succeed.
LOCK_NOT_AVAILABLE, DEADLOCK, NOT_SERIALIZABLE, STOOD_STILL = "55P03", "40P01", "40001", "25P03"


class ApiError(Exception):
    """An answer that is not a success. `message` is for people, `code` for programs, `param` names the input at fault."""

    status: int = 500
    type: ClassVar[str] = "api_error"
    code: str = "internal_error"

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.param = param
        self.headers = dict(headers or {})


class InvalidRequest(ApiError):
    status, type, code = 400, "invalid_request_error", "invalid_request"


class ContentPolicyViolation(InvalidRequest):
    code = "content_policy_violation"


class Unauthenticated(ApiError):
    status, type, code = 401, "authentication_error", "invalid_api_key"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):
    status, type, code = 403, "permission_error", "permission_denied"


class NotFound(ApiError):
    status, type, code = 404, "not_found_error", "not_found"


class MethodNotAllowed(ApiError):
    status, type, code = 405, "invalid_request_error", "method_not_allowed"


class RequestTimeout(ApiError):
    status, type, code = 408, "invalid_request_error", "request_timeout"


class Conflict(ApiError):
    status, type, code = 409, "conflict_error", "conflict"


class BodyTooLarge(ApiError):
    status, type, code = 413, "invalid_request_error", "body_too_large"


class UnsupportedMediaType(ApiError):
    status, type, code = 415, "invalid_request_error", "unsupported_media_type"


class TooManyRequests(ApiError):
    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"


class InternalError(ApiError):
    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. Please try again, and tell us the X-Request-ID if it happens again.")


class Overloaded(ApiError):
    status, type, code = 503, "overloaded_error", "overloaded"

    def __init__(
        self,
        message: str = "The service cannot take this request right now. Please try again shortly.",
        *,
        retry_after: int = OVERLOADED_RETRY_SECONDS,
    ) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


def error_of(status: int, message: str) -> ApiError:
    """The error of that status, for what is refused below the API's own views: by the hub, by the web server."""
    if status == Overloaded.status:
        return Overloaded(message)
    if status >= InternalError.status:
        return InternalError()
    kinds = (Forbidden, NotFound, MethodNotAllowed, RequestTimeout, Conflict, BodyTooLarge, UnsupportedMediaType, TooManyRequests)
    if status == Unauthenticated.status:
        return Unauthenticated(message)
    error = next((kind for kind in kinds if kind.status == status), InvalidRequest)(message)
    error.status = status
    return error


def envelope(error: ApiError) -> dict[str, Any]:
    return {"error": {"message": error.message, "type": error.type, "code": error.code, "param": error.param}}


def response_for(error: ApiError) -> JsonResponse:
    """The answer of a plain Django view or handler."""
    return JsonResponse(envelope(error), status=error.status, headers=error.headers)


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's exception handler: any exception becomes its envelope, unknown ones a 500 without detail."""
    known = _not_allowed(context) if isinstance(error, drf.MethodNotAllowed) and "view" in context else classify(error)
    return Response(envelope(known), status=known.status, headers=known.headers)


def _not_allowed(context: Mapping[str, Any]) -> ApiError:
    """Says what the path takes, and where what was meant is to be found, where its view knows that."""
    view, method = context["view"], context["request"].method
    elsewhere = getattr(view, "instead", {}).get(method, "")
    return MethodNotAllowed(f"This path does not answer {method}. It takes {', '.join(view.allowed_methods)}. {elsewhere}".rstrip())


def classify(error: BaseException) -> ApiError:
    """The API error that an exception stands for; what nobody foresaw is logged with its traceback."""
    match error:
        case ApiError():
            return error
        case drf.MethodNotAllowed():
            return MethodNotAllowed(METHOD_NOT_ALLOWED)
        case drf.UnsupportedMediaType():
            return UnsupportedMediaType("Send the body as JSON, with `Content-Type: application/json`.")
        case drf.ValidationError():
            return _first_problem(error.detail)
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return Unauthenticated("Send your key as `Authorization: Bearer condt_…` (or `X-API-Key`).")
        case drf.ParseError():
            return InvalidRequest("The body is not valid JSON.", code="invalid_json")
        case Http404() | drf.NotFound():
            return NotFound("There is nothing at this path.")
        case PermissionDenied() | drf.PermissionDenied():
            return Forbidden("This is not allowed.")
        case RequestDataTooBig():
            return BodyTooLarge("The request body is too large.")
        case DatabaseError() if sqlstate(error) in (LOCK_NOT_AVAILABLE, DEADLOCK, NOT_SERIALIZABLE, STOOD_STILL):
            log.warning("database busy", sqlstate=sqlstate(error), exc_info=error)
            return Overloaded()
        case OperationalError() | InterfaceError():
            log.error("database away", exc_info=error)
            return Overloaded()
        case _:
            log.error("unhandled exception", exc_info=error)
            return InternalError()


def sqlstate(error: BaseException) -> str | None:
    """Postgres's five characters for what went wrong; None where none came, as from SQLite or a connection that broke."""
    return getattr(error.__cause__, "sqlstate", None)


def _first_problem(detail: Any, path: tuple[str, ...] = ()) -> InvalidRequest:
    """One clear error out of a serializer's tree of them: the first, with the parameter that it is about."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return _first_problem(inner, path if name == "non_field_errors" else (*path, str(name)))
    if isinstance(detail, list):
        return _first_problem(next(item for item in detail if item), path)
    return InvalidRequest(str(detail), param=".".join(path) or None)
