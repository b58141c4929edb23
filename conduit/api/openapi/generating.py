"""drf-spectacular finds the calls in the URLs; what each is was said by its room."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.module_loading import autodiscover_modules
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from conduit.api.openapi import problems
from conduit.api.openapi.bodies import component_of
from conduit.api.openapi.operations import (
    IDEMPOTENCY_KEY,
    JSON,
    REQUEST_ID,
    Answer,
    Operation,
    Parameter,
    operations,
    path_parameters,
)
from conduit.api.openapi.problems import Problem
from conduit.api.openapi.shapes import Shape, components, example_of, text, whole
from conduit.api.openapi.story import story, tags
from conduit.version import VERSION

RATE_HEADERS = ("X-RateLimit-Limit-Requests", "X-RateLimit-Remaining-Requests", "X-RateLimit-Reset-Requests")
_HEADERS: dict[str, Shape] = {
    "X-Request-ID": text("What this call is called in our logs: yours, or one of ours.", "req_5f2b9c1e"),
    "X-RateLimit-Limit-Requests": whole("How many calls the tightest limit of calls allows; none of these while nobody counts.", 60),
    "X-RateLimit-Remaining-Requests": whole("How many of them are left.", 59),
    "X-RateLimit-Reset-Requests": whole("Seconds until one more is.", 1),
    "Retry-After": whole("Seconds after which to come again.", 5),
    "WWW-Authenticate": text("How to authenticate.", "Bearer"),
    "Idempotent-Replayed": text("`true` where this is the answer of an earlier call with the same `Idempotency-Key`.", "true"),
    "Allow": text("The methods of this path.", "GET, HEAD, OPTIONS"),
}
_SCHEMES: dict[str, dict[str, Any]] = {
    "key": {"type": "http", "scheme": "bearer", "description": "A virtual key, `condt_…`."},
    "keyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same in a header of its own."},
    "clientToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A client token, `condt_ct_…`: minutes long, and within the bounds that it was made with.",
    },
    "accessToken": {
        "type": "apiKey",
        "in": "query",
        "name": "access_token",
        "description": "The same in the address: for streams of browsers, which cannot send headers.",
    },
    "managementKey": {"type": "http", "scheme": "bearer", "description": "A management key, `condt_admin_…`."},
    "managementKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same in a header of its own."},
}
_IN_BRACES = re.compile(r"\{(\w+)\}")


class Generator(SchemaGenerator):
    """The whole document. What Django answers without REST framework is described too, and added as it was said."""

    def create_view(self, callback: Any, method: str, request: Any = None) -> Any:
        view = super().create_view(callback, method, request)
        view.schema = DescribedSchema()
        return view

    def parse(self, input_request: Any, public: bool) -> dict[str, Any]:
        autodiscover_modules("openapi")
        paths = super().parse(input_request, public)
        plain = DescribedSchema()
        for (method, path), operation in operations().items():
            if method.lower() not in paths.get(path, {}):
                paths.setdefault(path, {})[method.lower()] = plain.described(method, path, operation, security=[])
        return dict(sorted(paths.items()))

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        document: dict[str, Any] = super().get_schema(request, public)
        bodies = {body.name: component_of(body, AutoSchema()) for body in _bodies()}
        licensed = {"name": "MIT", "identifier": "MIT"}
        document["info"] |= {"title": "Conduit", "version": VERSION, "description": story(), "license": licensed}
        document["servers"] = [{"url": settings.PUBLIC_URL, "description": "This place."}]
        document["tags"] = [{"name": name, "description": about} for name, about in tags().items()]
        document["components"] = {
            "schemas": components() | bodies,
            "headers": {name: {"description": shape["description"], "schema": shape} for name, shape in _HEADERS.items()},
            "securitySchemes": _SCHEMES,
        }
        return document


def _bodies() -> Iterator[Any]:
    yield from (operation.body for operation in operations().values() if operation.body)


class DescribedSchema(AutoSchema):
    """One call, by what its room says of it. One of which nothing is said is left out, and missed by the tests."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> dict[str, Any] | None:
        operation = operations().get((method, path))
        if operation is None:
            return None
        schemes = [scheme for kind in self.view.authentication_classes for scheme in getattr(kind, "schemes", ())]
        if method in getattr(self.view, "token_may", {}):
            schemes.append("clientToken")
        return self.described(method, path, operation, security=schemes, scopes=getattr(self.view, "scopes", None))

    def described(
        self,
        method: str,
        path: str,
        operation: Operation,
        *,
        security: Collection[str],
        scopes: Mapping[str, str] | None = None,  # of a management key, by method
    ) -> dict[str, Any]:
        known = components()
        scope = f"\n\nTakes a management key with the scope `{scopes[method]}`." if scopes and method in scopes else ""
        answers: dict[str, Any] = {}
        for status, answer in operation.answers.items():
            answers[str(status)] = _answer(answer, known, is_counted=bool(security), is_idempotent=operation.is_idempotent)
        for status, found in problems.by_status(_codes(operation, method, security, scopes)).items():
            answers[str(status)] = _either(answers.get(str(status)), _refusal(status, found, is_counted=bool(security)))
        for answer_of_any in answers.values():
            answer_of_any["headers"] |= _own(operation.always)
        described = {
            "operationId": _name(method, path),
            "tags": [operation.tag],
            "summary": operation.summary,
            "description": operation.about + scope,
            "parameters": list(_parameters(path, operation)),
            "responses": dict(sorted(answers.items())),
            "security": [{scheme: []} for scheme in security],
        }
        if body := operation.body:
            content = {
                kind: {"schema": {"$ref": f"#/components/schemas/{body.name}"}, "example": dict(body.example)} for kind in body.kinds
            }
            described["requestBody"] = {"required": body.required, "content": content}
        return described


def _codes(operation: Operation, method: str, security: Collection[str], scopes: Mapping[str, str] | None) -> list[str]:
    """Every error that the call may answer: its own, and what its key, its body and its server add."""
    codes = [*operation.errors, *(problems.KEY if security else ())]
    if scopes:
        codes.append("scope_not_allowed")
    if operation.body or method in ("POST", "PATCH"):
        codes += problems.BODY
    if operation.is_idempotent:
        codes.append("idempotency_conflict")
    return [*codes, *problems.SERVER]


def _name(method: str, path: str) -> str:
    """`get_v1_tasks_task_id`: unique as the call is, and the same as long as its address is."""
    return "_".join([method.lower(), *re.findall(r"[A-Za-z0-9]+", path)])


def _parameters(path: str, operation: Operation) -> Iterator[dict[str, Any]]:
    for name in _IN_BRACES.findall(path):
        shape = operation.path.get(name) or path_parameters()[name]
        yield {"name": name, "in": "path", "required": True, "description": shape["description"], "schema": shape}
    extra: list[Parameter] = [IDEMPOTENCY_KEY] if operation.is_idempotent else []
    for parameter in (*operation.query, *operation.headers, *extra, REQUEST_ID):
        about = {"name": parameter.name, "in": parameter.place, "description": parameter.shape["description"], "schema": parameter.shape}
        yield about | dict(parameter.more)


def _answer(answer: Answer, known: Mapping[str, Shape], *, is_counted: bool, is_idempotent: bool) -> dict[str, Any]:
    headers = ["X-Request-ID", *(RATE_HEADERS if is_counted else ()), *(["Idempotent-Replayed"] if is_idempotent else [])]
    described: dict[str, Any] = {"description": answer.about, "headers": _refs(headers) | _own(answer.headers)}
    if answer.shape is not None:
        example = example_of(answer.shape, known) if answer.example is None else answer.example
        described["content"] = {answer.kind: {"schema": answer.shape, "example": example}, **answer.others}
    return described


def _refusal(status: int, found: list[Problem], *, is_counted: bool) -> dict[str, Any]:
    headers = ["X-Request-ID"]
    if status == 401:
        headers.append("WWW-Authenticate")
    elif is_counted:
        headers += RATE_HEADERS
    if status in (409, 429, 503):
        headers.append("Retry-After")
    return {
        "description": "\n".join(f"- `{problem.code}`: {problem.when}" for problem in found),
        "headers": _refs(headers),
        "content": {
            JSON: {
                "schema": problems.shape_of(found),
                "examples": {problem.code: {"summary": problem.when, "value": problem.example} for problem in found},
            }
        },
    }


def _either(answer: dict[str, Any] | None, refusal: dict[str, Any]) -> dict[str, Any]:
    """Of a status that is no error alone, such as the 503 of a place that makes no videos."""
    if answer is None:
        return refusal
    inner = [one["content"][JSON]["schema"] for one in (answer, refusal)]
    content = {JSON: answer["content"][JSON] | {"schema": {"anyOf": inner}}}
    return answer | {"description": f"{answer['description']}\n{refusal['description']}", "content": content}


def _own(headers: Mapping[str, Shape]) -> dict[str, Any]:
    return {name: {"description": shape["description"], "schema": shape} for name, shape in headers.items()}


def _refs(names: Collection[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
