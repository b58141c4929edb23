"""What the one parser takes for a body, and what it says to everything else."""

import json
from typing import Any

import pytest
from django.conf import settings

from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused

pytestmark = pytest.mark.django_db

CREATE = "/v1/video/generations"


def send(consumer: Any, body: bytes, content_type: str = "application/json") -> Any:
    return consumer.http.generic("POST", CREATE, body, content_type=content_type)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"{", "line 1, column 2", id="cut off"),
        pytest.param(b"not json", "line 1", id="no JSON at all"),
        pytest.param(b"   ", "line 1", id="white space"),
        pytest.param(b'{"model": "minimax-video", "prompt": "a cat",}', "line 1", id="a trailing comma"),
        pytest.param(b"{'model': 'minimax-video'}", "line 1", id="single quotes"),
        pytest.param(b'{"prompt": "\xff\xfe"}', "UTF-8", id="not UTF-8"),
        pytest.param('{"prompt": "a cat"}'.encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"prompt": "a cat"}', "BOM", id="a byte order mark"),
        pytest.param(b'{"prompt": "a\x00cat"}', "line 1", id="a raw NUL"),
        pytest.param(b'{"duration": NaN}', "NaN", id="NaN"),
        pytest.param(b'{"duration": Infinity}', "Infinity", id="Infinity"),
        pytest.param(b'{"duration": -Infinity}', "-Infinity", id="minus Infinity"),
        pytest.param(b'{"prompt": "a cat", "prompt": "a dog"}', "'prompt' appears twice", id="a name twice"),
        pytest.param(b'{"metadata": {"a": "1", "a": "2"}}', "'a' appears twice", id="a nested name twice"),
        pytest.param(b'{"\\ud800": 1, "\\ud800": 2}', "appears twice", id="half a surrogate pair twice"),
        pytest.param(b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply", id="nested arrays"),
        pytest.param(b'{"a": ' * 20_000 + b"1" + b"}" * 20_000, "nested too deeply", id="nested objects"),
        pytest.param(b'{"duration": ' + b"9" * 5000 + b"}", "too many digits", id="a number of 5000 digits"),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_the_reason(consumer, body, words):
    assert words in refused(send(consumer, body), 400, "invalid_json")
    assert not Task.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b'"text"', b"5", b"null", b"true", b"1.5"])
def test_a_body_that_is_no_object_is_refused(consumer, body):
    assert "object" in refused(send(consumer, body), 400, "invalid_request")


def test_an_empty_body_misses_the_required_parameter(consumer):
    refused(send(consumer, b""), 400, "invalid_request", "model")


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/xml", "*/*", "x"]
)
def test_another_type_than_json_is_415_however_good_the_body(consumer, content_type):
    body = json.dumps({"model": "minimax-video", "prompt": "a cat"}).encode()

    message = refused(send(consumer, body, content_type), 415, "unsupported_media_type")

    assert "application/json" in message
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;x=y"]
)
def test_json_is_taken_however_its_type_is_written(consumer, content_type):
    body = json.dumps({"model": "minimax-video", "prompt": "eine Katze, 猫 🐈"}, ensure_ascii=False).encode()

    answer = send(consumer, body, content_type)

    assert answer.status_code == 202
    assert answer.json()["prompt"] == "eine Katze, 猫 🐈"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "image/*;q=0"])
def test_the_answer_is_json_whatever_is_accepted(consumer, accept):
    answer = consumer.get("/v1/models", Accept=accept)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_413(consumer):
    body = json.dumps({"model": "minimax-video", "prompt": "a cat"}).encode()

    assert send(consumer, body.ljust(settings.MAX_BODY_BYTES)).status_code == 202
    message = refused(send(consumer, body.ljust(settings.MAX_BODY_BYTES + 1)), 413, "body_too_large")

    assert "256 KiB" in message
    assert Task.objects.count() == 1


def test_a_body_of_many_megabytes_is_413(consumer):
    refused(send(consumer, b" " * 6_000_000), 413, "body_too_large")


def test_a_cancel_needs_no_body_and_reads_none(consumer):
    task_id = consumer.generate()["task_id"]

    answer = consumer.http.generic("POST", f"/v1/tasks/{task_id}/cancel", b"\xff not json", content_type="text/plain")

    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["", "application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_a_retry_needs_no_body_whatever_type_a_client_gives_it(consumer, kind):
    task_id = consumer.generate()["task_id"]
    end(task_id, "failed")

    answer = consumer.http.generic("POST", f"/v1/video/generations/{task_id}/retry", b"", content_type=kind)

    assert answer.status_code == 202
