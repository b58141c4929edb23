"""Answers of the API held against its document: a status, a header, an error code or a field that it lacks fails the test.

`from tests.support.documented import answers_are_documented` in a folder's conftest does so for each answer that Django's client gets
from the API there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from unittest import mock

import jsonschema_rs
import pytest
from django.test import Client

from conduit.api.always import HEADERS
from conduit.api.openapi.served import document

# What any answer may carry, whatever it is (conduit.api.openapi.story tells of them).
GENERAL = frozenset(
    {
        *(name.lower() for name in HEADERS),
        *("content-type", "content-length", "content-security-policy", "cache-control", "vary", "allow", "x-request-id"),
        *("strict-transport-security", "set-cookie", "transfer-encoding", "connection", "date", "server", "keep-alive"),
    }
)
JSON = "application/json"


@cache
def the_document() -> dict[str, Any]:
    """As it is served, but that no object has a field which it does not name: clients leave out what they do not know, tests do not."""
    closed: dict[str, Any] = _closed(document())
    return closed


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    shape = {name: inner if name in ("example", "examples") else _closed(inner) for name, inner in part.items()}
    if "object" in _types(shape) and isinstance(shape.get("properties"), dict):
        shape.setdefault("additionalProperties", False)
    return shape


def _types(shape: Mapping[str, Any]) -> list[str]:
    kind = shape.get("type", [])
    return [kind] if isinstance(kind, str) else [one for one in kind if isinstance(one, str)] if isinstance(kind, list) else []


@cache
def _calls() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of the paths, those without braces first."""
    paths = sorted(the_document()["paths"], key=lambda path: ("{" in path, path))
    made = []
    for path in paths:
        pattern = "".join(
            f"(?:{'.+' if part == '{name}' else '[^/]+'})" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{\w+\})", path)
        )
        made.append((re.compile(pattern), path))
    return made


def path_of(address: str) -> str | None:
    """The documented path that an address belongs to."""
    return next((path for pattern, path in _calls() if pattern.fullmatch(address)), None)


def validator_of(shape: Mapping[str, Any]) -> Any:
    return _compiled(json.dumps(shape))


@cache
def _compiled(shape: str) -> Any:
    schemas = the_document()["components"]["schemas"]
    return jsonschema_rs.Draft202012Validator({"allOf": [json.loads(shape)], "components": {"schemas": schemas}}, validate_formats=True)


@cache
def _validator(path: str, method: str, status: str, kind: str) -> Any:
    return validator_of(the_document()["paths"][path][method]["responses"][status]["content"][kind]["schema"])


def problems(method: str, address: str, status: int, headers: Mapping[str, str], body: bytes | None) -> list[str]:
    """What the document lacks of an answer. `body`: None for one that is streamed."""
    path, method = path_of(address), method.lower().replace("head", "get")
    if path is None or method not in the_document()["paths"][path]:
        return [] if status in (200, 400, 401, 403, 404, 405, 415, 429, 503) else [f"{status}, of a call that is not described"]
    answers = the_document()["paths"][path][method]["responses"]
    if str(status) not in answers:
        return [f"the status {status}"]
    answer = answers[str(status)]
    told = {name.lower() for name in answer.get("headers", {})} | GENERAL
    lacking = [f"the header {name} of {status}" for name in headers if name.lower() not in told and not name.lower().startswith("access-")]
    kind = headers.get("Content-Type", "").partition(";")[0]
    content = answer.get("content", {})
    if bool(content) and kind not in content and status != 204:
        return [*lacking, f"the type {kind!r} of {status}"]
    if kind == JSON and body and content:
        value = json.loads(body)
        found = [
            f"{error.message} at {list(error.instance_path)}" for error in _validator(path, method, str(status), kind).iter_errors(value)
        ]
        lacking += found
    return lacking


@pytest.fixture(autouse=True)
def answers_are_documented() -> Iterator[None]:
    request = Client.request
    _calls()  # the document is made before anything is timed

    def checked(self: Client, **asked: Any) -> Any:
        answer = request(self, **asked)
        address = asked.get("PATH_INFO", "")
        if address.startswith("/v1/"):
            body = None if answer.streaming or asked["REQUEST_METHOD"] == "HEAD" else answer.content
            lacking = problems(asked["REQUEST_METHOD"], address, answer.status_code, answer.headers, body)
            assert lacking == [], f"{asked['REQUEST_METHOD']} {address}: /openapi.json lacks {'; '.join(lacking)}\n{body!r:.1500}"
        return answer

    with mock.patch.object(Client, "request", checked):
        yield
