"""/openapi.json: complete, cheap, and true to what hub and streams tell. Answers are held against it where they are tried."""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client
from django.urls import resolve
from drf_spectacular import validation

from conduit.api.openapi import problems
from conduit.api.openapi.generating import Generator
from conduit.api.openapi.operations import operations
from conduit.api.openapi.served import document
from conduit.api.openapi.shapes import MOMENT, components, example_of
from conduit.version import VERSION
from keys.management_api import ManagementView
from tasks.notices import Notice, as_json
from tests.support.documented import the_document, validator_of
from videos.hub import hub_event

METHODS = ("get", "post", "patch", "put", "delete")
# Below the health of the place and the files, everything public is REST framework's.
PLAIN = {("GET", "/health"), ("GET", "/health/ready"), ("GET", "/health/live"), ("GET", "/media/{task_id}/{name}")}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return document()


def calls(told: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", call) for path, item in told["paths"].items() for method, call in item.items() if method in METHODS
    ]


def test_it_is_openapi_3_1(told):
    rules = json.loads((Path(validation.__file__).parent / "openapi_3_1_schema.json").read_text())
    assert [error.message for error in jsonschema_rs.Draft202012Validator(rules).iter_errors(told)] == []
    for shape in told["components"]["schemas"].values():
        validator_of(shape)
    assert told["openapi"].startswith("3.1")
    assert told["info"]["version"] == VERSION


def test_each_call_that_is_served_is_described_and_each_that_is_described_is_served(told):
    generator = Generator()
    generator._initialise_endpoints()
    served = {(method, path) for path, _, method, _ in generator.endpoints if path.startswith("/v1/")}

    assert set(operations()) == served | PLAIN
    assert {call for call, _ in calls(told)} == {f"{method} {path}" for method, path in operations()}
    for _, path in PLAIN - {("GET", "/health/live")}:  # which never comes as far as Django
        resolve(path.format(task_id="x", name="video.mp4"))


def test_each_call_has_words_errors_and_examples(told):
    known = components()
    lacking = []
    for call, about in calls(told):
        lacking += [f"{call}: {part}" for part in ("summary", "description", "operationId") if not about[part]]
        if about["tags"][0] not in {tag["name"] for tag in told["tags"]}:
            lacking.append(f"{call}: its tag is not told of")
        if not [status for status in about["responses"] if status >= "400"]:
            lacking.append(f"{call}: no error")
        for parameter in about["parameters"]:
            if not parameter["description"] or example_of(parameter["schema"], known) is None:
                lacking.append(f"{call}: the parameter {parameter['name']} has no words or no example")
        for status, answer in about["responses"].items():
            for kind, content in answer.get("content", {}).items():
                if "example" not in content and not content.get("examples"):
                    lacking.append(f"{call}: {status} {kind} has no example")
    assert lacking == []
    assert len({about["operationId"] for _, about in calls(told)}) == len(calls(told))


def test_each_field_has_words(told):
    lacking: list[str] = []

    def look(shape: Any, where: str) -> None:
        for name, inner in shape.get("properties", {}).items():
            if not inner.get("description") and "$ref" not in inner and "allOf" not in shape and "type" in shape:
                lacking.append(f"{where}.{name}")
            look(inner, f"{where}.{name}")
        if isinstance(shape.get("items"), dict):
            look(shape["items"], f"{where}[]")
        for part in shape.get("anyOf", ()):
            look(part, where)

    for name, shape in told["components"]["schemas"].items():
        look(shape, name)
    for call, about in calls(told):
        for status, answer in about["responses"].items():
            for content in answer.get("content", {}).values():
                look(content["schema"], f"{call} {status}")
    assert lacking == []


def test_each_example_is_what_its_shape_says():
    told = the_document()
    wrong = []
    for call, about in calls(told):
        shown = [
            (f"{status} {kind}", content)
            for status, answer in about["responses"].items()
            for kind, content in answer.get("content", {}).items()
        ]
        shown += [(f"body {kind}", content) for kind, content in about.get("requestBody", {}).get("content", {}).items()]
        for where, content in shown:
            if where.endswith("json"):
                values = [content["example"]] if "example" in content else [one["value"] for one in content["examples"].values()]
                errors = [error.message for value in values for error in validator_of(content["schema"]).iter_errors(value)]
                wrong += [f"{call} {where}: {error}" for error in errors]
    assert wrong == []


def test_query_parameters_are_those_that_the_views_know(told):
    for path in [path for path in told["paths"] if path.startswith("/v1/admin/")]:
        view = resolve(path.replace("{key_id}", "1").replace("{team_id}", "1").format_map(_Anything())).func.cls
        assert issubclass(view, ManagementView)
        if "get" in told["paths"][path]:
            named = {one["name"] for one in told["paths"][path]["get"]["parameters"] if one["in"] == "query"}
            assert named == set(view.parameters), path


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "1"


def test_every_error_that_is_described_may_be_answered_somewhere(told):
    answered = {code for operation in operations().values() for code in operation.errors}
    general = {*problems.SERVER, *problems.BODY, *problems.KEY, "scope_not_allowed", "idempotency_conflict"}
    # A socket's own, and what a call of no method that there is meets.
    assert set(problems.known()) - answered - general == {"upgrade_required", "method_not_allowed"}


# ---- Served ---------------------------------------------------------------------------------------------------------------


def test_it_is_served_to_anybody_and_again_only_when_it_is_another(client: Client):
    """And without a query: no database is there."""
    answer = client.get("/openapi.json", headers={"Origin": "https://tool.example"})
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})

    assert (answer.status_code, again.status_code, again.content) == (200, 304, b"")
    assert answer.json() == document()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert client.post("/openapi.json").status_code == 405
    packed = client.get("/openapi.json", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == answer.content
    assert len(packed.content) < len(answer.content) / 10


def test_the_page_holds_no_script_and_no_style_of_its_own(client: Client):
    page, script = client.get("/docs"), client.get("/docs?script=")

    said = page.content.decode()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "<style" not in said
    assert "style=" not in said
    assert "<script>" not in said
    assert "//cdn" not in said
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "/openapi.json" in script.content.decode().replace("\\u002D", "-")


# ---- What is told beside calls --------------------------------------------------------------------------------------------

HUB = {
    "VideoGenerationStarted": "HubStarted",
    "VideoGenerationProgress": "HubProgress",
    "VideoGenerationCompleted": "HubCompleted",
    "VideoGenerationFailed": "HubFailed",
    "VideoGenerationCancelled": "HubCancelled",
}
STANDS = {
    "task.started": {"status": "processing", "progress": 2, "stage": "preparing", "started_at": MOMENT},
    "task.progress": {"status": "processing", "progress": 17, "stage": "generating"},
    "task.completed": {"status": "completed", "progress": 100, "stage": "completed", "completed_at": MOMENT, "result": "example"},
    "task.failed": {"status": "failed", "stage": "failed", "error": "It took too long.", "error_code": "generation_timeout"},
    "task.cancelled": {"status": "cancelled", "stage": "cancelled"},
}


@pytest.mark.parametrize("name", STANDS)
def test_hub_and_streams_tell_what_the_document_says(name):
    shapes = the_document()["components"]["schemas"]  # the rooms are imported with their calls
    known = components()
    task = example_of(known["Task"], known) | STANDS[name]
    if task["result"]:
        task["result"] = example_of(known["Result"], known)
    notice = Notice(name, None if name == "task.progress" else 42, task)

    event = hub_event(notice)

    assert event
    assert [error.message for error in validator_of(shapes[HUB[event[0]]]).iter_errors(event[1])] == []
    told = json.loads(as_json(notice))
    assert [error.message for error in validator_of(shapes["StreamEvent"]).iter_errors(told)] == []
