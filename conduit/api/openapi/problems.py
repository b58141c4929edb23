"""Every error code that the API answers with: when, and in which words. Rooms add their own."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from conduit.api import errors
from conduit.api.errors import ApiError
from conduit.api.openapi.shapes import Shape, component, or_null, record, ref, text, word


@dataclass(frozen=True)
class Problem:
    """`message` and `param` are an example of what is answered."""

    code: str
    status: int
    type: str
    when: str
    message: str
    param: str | None

    @property
    def example(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.type, "code": self.code, "param": self.param}}


_known: dict[str, Problem] = {}


def problem(kind: type[ApiError], when: str, message: str, *, code: str = "", param: str | None = None) -> None:
    """Describe an error code: that of an error's class, unless it is named."""
    code = code or kind.code
    _known[code] = Problem(code, kind.status, kind.type, when, message, param)


def known() -> Mapping[str, Problem]:
    return _known


def by_status(codes: Collection[str]) -> dict[int, list[Problem]]:
    """Those codes' problems by the status that they are answered with."""
    found: dict[int, list[Problem]] = defaultdict(list)
    for code in dict.fromkeys(codes):
        found[_known[code].status].append(_known[code])
    return dict(sorted(found.items()))


def shape_of(problems: Collection[Problem]) -> Shape:
    """An error with one of these codes."""
    codes = [problem.code for problem in problems]
    return {"allOf": [ref("Error"), {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}]}


component(
    "Error",
    lambda: record(
        "What every answer that is no success holds.",
        {
            "error": record(
                "What went wrong.",
                {
                    "message": text("For people: what is wrong, and what to do next.", "`prompt` must not be blank."),
                    "type": word(
                        "The family of the error.", sorted({problem.type for problem in _known.values()}), "invalid_request_error"
                    ),
                    "code": text("For programs: which error it is. Each call lists its own.", "invalid_request"),
                    "param": or_null(text("The input at fault, where there is one.", "prompt")),
                },
            )
        },
    ),
)

# What any call may be answered: a request that is malformed or names another host, one that is too slow, a fault of ours.
SERVER = ("invalid_request", "request_timeout", "internal_error", "overloaded")
# What a body adds, and what a key does.
BODY = ("invalid_json", "body_too_large", "unsupported_media_type")
KEY = (
    *("invalid_api_key", "api_key_expired", "api_key_disabled", "ip_not_allowed", "permission_denied"),
    *("rate_limit_exceeded", "concurrency_limit_exceeded"),
)

problem(
    errors.InvalidRequest, "A field, a parameter or a header is wrong: `param` names it.", "`prompt` must not be blank.", param="prompt"
)
problem(
    errors.InvalidRequest,
    "The body is no JSON, or JSON that parsers disagree about: a name twice, NaN, broken UTF-8.",
    "The body is not valid JSON: Expecting ',' delimiter at line 1, column 20.",
    code="invalid_json",
)
problem(
    errors.Unauthenticated,
    "There is no key, nobody has it, it was deleted, or it is of the other kind (virtual, management).",
    "This API key is not known here. Check that it was copied whole, from `condt_` to its end.",
)
problem(
    errors.Unauthenticated,
    "The key, or this secret of it after a rotation, has ended.",
    "This API key expired on 2027-01-31 12:00 UTC. Ask for a new one.",
    code="api_key_expired",
)
problem(
    errors.Unauthenticated,
    "An administrator has disabled the key.",
    "This API key is disabled. An administrator can enable it.",
    code="api_key_disabled",
)
problem(
    errors.Forbidden,
    "A client token may not do this: it takes the key itself, or a token with other bounds.",
    "A client token may not do this: it takes the API key itself, which stays on your server.",
)
problem(errors.NotFound, "There is nothing of that id or at that path.", "There is nothing at this path. The API's calls begin with /v1/.")
problem(errors.RequestTimeout, "Headers or body came too slowly.", "The request's body took too long to come.")
problem(
    errors.Conflict,
    "What is asked for contradicts what there is.",
    "This was deleted meanwhile.",
)
problem(
    errors.Conflict,
    "This `Idempotency-Key` came with another body within 24 hours, or its first call is still at work (then with `Retry-After`).",
    "This `Idempotency-Key` was sent before with another body. Use a new one for each new request; it may be used anew 24 hours after.",
    code="idempotency_conflict",
    param="Idempotency-Key",
)
problem(errors.BodyTooLarge, "The body is larger than 256 KiB.", "The request body is larger than 256 KiB.")
problem(
    errors.UnsupportedMediaType,
    "The body's `Content-Type` is none that the call reads.",
    "Send the body as JSON, with `Content-Type: application/json`.",
)
problem(
    errors.TooManyRequests,
    "The key's limit of calls a minute or a day is reached, or its address sent too many keys that nobody knows.",
    "This key's rate limit of 60 creates per minute is reached. Try again in 12 seconds.",
)
problem(
    errors.TooManyRequests,
    "Too much of the key's is under way: tasks, streams or calls that wait.",
    "This key's rate limit allows 2 tasks in flight, and 2 are. Try again when one has ended.",
    code="concurrency_limit_exceeded",
)
problem(errors.InternalError, "A fault of ours. Nothing was committed.", errors.InternalError().message)
problem(
    errors.Overloaded,
    "The service cannot take this now: the database is away, an administrator refuses new work, or calls cannot be counted.",
    errors.Overloaded().message,
)
problem(errors.MethodNotAllowed, "The path does not answer that method; `Allow` lists those that it does.", errors.METHOD_NOT_ALLOWED)
