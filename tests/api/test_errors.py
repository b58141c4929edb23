"""The envelope, on every path and for every way to fail."""

import json
import logging

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404
from django.test import Client
from rest_framework import exceptions as drf

from conduit.api.errors import classify
from conduit.stack.ports import free_port
from tests.support.envelopes import refused

A_TASK = "01a20278-ca5c-7589-8260-f58625356f59"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v2/tasks",
        "/v1/tasks/",
        "/v1/model/x",
        f"/v1/tasks/{A_TASK}/nothing",
        "/administration",
        "/favicon.ico",
        "/%00",
        "/%ff",
        "/ü",
        "/static/x",
    ],
)
def test_a_path_that_there_is_not_is_404_for_every_method(method, path):
    refused(Client().generic(method, path), 404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/tasks", {"GET"}),
        (f"/v1/tasks/{A_TASK}", {"GET"}),
        (f"/v1/tasks/{A_TASK}/cancel", {"POST"}),
        ("/v1/video/generations", {"GET", "POST"}),
        (f"/v1/video/generations/{A_TASK}", {"GET", "DELETE"}),
        (f"/v1/video/generations/{A_TASK}/retry", {"POST"}),
        ("/v1/video/generations/estimate", {"POST"}),
        ("/v1/models", {"GET"}),
        ("/health", {"GET"}),
        ("/health/ready", {"GET"}),
        (f"/media/{A_TASK}/video.mp4", {"GET"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_method_that_a_path_does_not_take_is_405_and_allow_lists_those_it_does(consumer, path, allowed, method):
    if method in allowed:
        return
    answer = consumer.http.generic(method, path, b"{}", content_type="application/json")

    refused(answer, 405, "method_not_allowed")
    assert allowed <= set(answer.headers["Allow"].replace(" ", "").split(","))
    assert method not in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/v1/models", "/health/other", "/nowhere", "/admin/"])
@pytest.mark.parametrize("host", ["elsewhere.example", "testserver.elsewhere.example", "bad_host!", "[::1", "testserver:port", ""])
def test_a_host_that_is_not_ours_is_400(path, host):
    refused(Client().get(path, headers={"Host": host}), 400, "invalid_request")


@pytest.mark.django_db
def test_a_crash_is_500_without_detail_and_logged_once_with_its_traceback(consumer, monkeypatch, caplog):
    def crash():
        raise RuntimeError("the answer is 42")

    monkeypatch.setattr("videos.views.offers", crash)

    message = refused(consumer.get("/v1/models"), 500, "internal_error")

    assert "42" not in message
    assert "RuntimeError" not in message
    tracebacks = [record for record in caplog.records if record.exc_info or "Traceback" in str(record.msg)]
    assert len(tracebacks) == 1
    assert "the answer is 42" in str(tracebacks[0].msg)
    assert tracebacks[0].levelno == logging.ERROR


def test_a_crash_outside_rest_framework_has_the_same_envelope(monkeypatch, caplog):
    monkeypatch.setattr("conduit.health.place", lambda: 1 / 0)

    message = refused(Client(raise_request_exception=False).get("/health"), 500, "internal_error")

    assert "zero" not in message
    assert len([record for record in caplog.records if "Traceback" in str(record.msg)]) == 1


def test_a_crash_in_a_middleware_has_the_same_envelope(monkeypatch):
    monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", lambda self, request: 1 / 0)

    refused(Client(raise_request_exception=False).get("/v1/models"), 500, "internal_error")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/tasks", f"/v1/tasks/{A_TASK}"])
def test_a_database_that_is_away_is_503_with_a_time_to_come_back(consumer, monkeypatch, path):
    if connection.vendor != "postgresql":
        pytest.skip("a file is never away")
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", free_port())
        answer = consumer.get(path)

    message = refused(answer, 503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    assert "database" not in message
    assert "connection" not in message


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (drf.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (drf.ParseError("inner words"), 400, "invalid_json"),
        (drf.NotAuthenticated(), 401, "invalid_api_key"),
        (drf.AuthenticationFailed(), 401, "invalid_api_key"),
        (drf.PermissionDenied(), 403, "permission_denied"),
        (PermissionDenied(), 403, "permission_denied"),
        (drf.NotFound(), 404, "not_found"),
        (Http404("inner words"), 404, "not_found"),
        (RequestDataTooBig("inner words"), 413, "body_too_large"),
        (OperationalError("inner words"), 503, "overloaded"),
        (InterfaceError("inner words"), 503, "overloaded"),
        (KeyError("inner words"), 500, "internal_error"),
        (drf.Throttled(), 500, "internal_error"),
    ],
)
def test_every_exception_stands_for_one_error_and_tells_nothing_from_inside(error, status, code):
    known = classify(error)

    assert (known.status, known.code) == (status, code)
    assert "inner words" not in known.message


@pytest.mark.parametrize(
    ("detail", "message", "param"),
    [
        ({"prompt": ["is blank"]}, "is blank", "prompt"),
        ({"prompt": ["first", "second"], "model": ["third"]}, "first", "prompt"),
        ({"metadata": {"colour": ["too long"]}}, "too long", "metadata.colour"),
        ({"non_field_errors": ["these contradict"]}, "these contradict", None),
        ({"clips": [{}, {"prompt": ["is blank"]}]}, "is blank", "clips.prompt"),
        (["nothing fits"], "nothing fits", None),
    ],
)
def test_a_tree_of_validation_errors_becomes_its_first_with_the_parameter(detail, message, param):
    known = classify(drf.ValidationError(detail))

    assert (known.status, known.message, known.param) == (400, message, param)


@pytest.mark.django_db
def test_an_error_message_is_plain_json_even_when_a_name_cannot_be_encoded(consumer):
    answer = consumer.http.generic("POST", "/v1/video/generations", b'{"\\ud800": 1}', content_type="application/json")

    refused(answer, 400, "invalid_request", "\\ud800")
    json.loads(answer.content)


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        (
            "post",
            "/v1/tasks",
            "It takes GET, HEAD, OPTIONS. Each kind of task is made at its own path: videos with POST /v1/video/generations.",
        ),
        ("delete", "/v1/tasks/x", "cancelled with POST /v1/tasks/{id}/cancel"),
        ("get", "/v1/tasks/x/cancel", "read with GET /v1/tasks/{id}"),
        ("get", "/v1/video/generations/x/retry", "read with GET /v1/video/generations/{id}"),
        ("post", "/v1/video/generations/x", "asked for with POST /v1/video/generations"),
        ("get", "/v1/video/generations/estimate", "asked for with POST"),
        ("put", "/v1/models", "This path does not answer PUT. It takes GET, HEAD, OPTIONS."),
    ],
)
def test_a_method_that_a_path_does_not_take_is_told_where_to_look(consumer, method, path, says):
    answer = getattr(consumer.http, method)(path)

    assert says in refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"]
