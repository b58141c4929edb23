"""`/health/live` is the process's own: no host, database or thread has a say in it."""

import json

import pytest


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", ["localhost", "10.1.2.3", "elsewhere.example", "bad host!"])
def test_a_process_that_answers_is_alive_whatever_host_is_asked_for(raw, web, method, host):
    answer = raw(f"{method} /health/live HTTP/1.1", f"Host: {host}", "X-Request-ID: alive-or-not")

    assert (answer.status, answer.headers["content-type"], answer.headers["x-request-id"]) == (200, "application/json", "alive-or-not")
    assert answer.body == (json.dumps({"status": "ok"}).encode() if method == "GET" else b"")
    assert "alive-or-not" not in web.log


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "FROB"])
def test_any_other_method_is_405(raw, method):
    answer = raw(f"{method} /health/live HTTP/1.1")

    assert (answer.status, answer.error["code"], answer.headers["allow"]) == (405, "method_not_allowed", "GET, HEAD")


@pytest.mark.parametrize("path", ["/health/live/", "/health/live/x", "/health/living"])
def test_what_is_below_it_or_like_it_is_nothing(raw, path):
    assert raw(f"GET {path} HTTP/1.1").error["code"] == "not_found"
