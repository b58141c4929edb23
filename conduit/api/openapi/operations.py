"""What is said of each call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

from conduit.api.openapi.shapes import Shape, text, whole
from conduit.api.pagination import LIMIT_DEFAULT, LIMIT_MAX

JSON = "application/json"


@dataclass(frozen=True)
class Parameter:
    """Of the query string, or a header."""

    name: str
    place: str
    shape: Shape  # its description is the parameter's
    more: Mapping[str, Any] = field(default_factory=dict)


def query(name: str, shape: Shape, **more: Any) -> Parameter:
    return Parameter(name, "query", shape, more)


def header(name: str, shape: Shape) -> Parameter:
    return Parameter(name, "header", shape)


def page(after: Shape) -> tuple[Parameter, Parameter]:
    """What every list takes (conduit.api.pagination); `after` is what its ids look like."""
    limit = whole("Entries of a page.", LIMIT_DEFAULT, minimum=1, maximum=LIMIT_MAX, default=LIMIT_DEFAULT)
    about = "The id after which to go on: `last_id` of the page before."
    return query("limit", limit), query("after", {**after, "description": about})


@dataclass(frozen=True)
class Answer:
    """`example`: made of the shape's own examples unless it is given. `headers` beside those that every answer has."""

    about: str
    shape: Shape | None = None
    example: Any = None
    headers: Mapping[str, Shape] = field(default_factory=dict)
    kind: str = JSON
    others: Mapping[str, Any] = field(default_factory=dict)  # other media types, each with an example in it


@dataclass(frozen=True)
class Body:
    """What a call reads. Limits are the serializer's; `words` say what each field is for, those of a nested one as `limits.weight`."""

    serializer: type[Serializer[Any]]
    name: str  # of the component
    words: Mapping[str, str]
    example: Mapping[str, Any]
    partial: bool = False
    required: bool = True
    kinds: Sequence[str] = (JSON,)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`errors` are those that are this call's own: what its key, its body and its server may answer is added."""

    tag: str
    summary: str
    about: str
    answers: Mapping[int, Answer]
    errors: Sequence[str] = ()
    query: Sequence[Parameter] = ()
    headers: Sequence[Parameter] = ()
    body: Body | None = None
    path: Mapping[str, Shape] = field(default_factory=dict)  # of what is in braces, where it is none of path_parameters
    always: Mapping[str, Shape] = field(default_factory=dict)  # headers of every answer, refusals too
    is_idempotent: bool = False


_operations: dict[tuple[str, str], Operation] = {}
_path_parameters: dict[str, Shape] = {}


def describe(call: str, operation: Operation) -> None:
    """Say what a call is, by its method and path: `GET /v1/tasks/{task_id}`."""
    method, _, path = call.partition(" ")
    _operations[method, path] = operation


def path_parameter(name: str, shape: Shape) -> None:
    """What `{name}` in a path is, wherever it stands."""
    _path_parameters[name] = shape


def operations() -> Mapping[tuple[str, str], Operation]:
    return _operations


def path_parameters() -> Mapping[str, Shape]:
    return _path_parameters


IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    text(
        "Makes the call once, however often it is sent: for 24 hours the same key and body get the first answer, with "
        "`Idempotent-Replayed: true`. 1 to 255 visible ASCII characters.",
        "3b0a4bf2-6f64-4d2c-9a51-6d8b6a6f1f5e",
        minLength=1,
        maxLength=255,
        pattern="^[!-~]+$",
    ),
)
REQUEST_ID = header(
    "X-Request-ID",
    text(
        "Is echoed, and stands in our logs; one of ours is given where there is none, or it is not well formed.", "req-7f3a", maxLength=128
    ),
)
IF_NONE_MATCH = header("If-None-Match", text("The `ETag` of what you have: 304 while it is still that.", '"5f2b…"'))
