"""Whoever refuses, daphne, twisted, autobahn, the hub or Django: the refusal is in the API's envelope and has its request id."""

import pytest

from tests.support.raw_http import UPGRADE

HUB = "/hubs/video-generation"
MINE = "X-Request-ID: refused-here"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "FROB"])
@pytest.mark.parametrize("path", ["/ws/tasks", "/ws/tasks/019a20278ca5c75898260f58625356f5"])
def test_a_plain_request_to_a_socket_is_told_to_upgrade(raw, method, path):
    answer = raw(f"{method} {path} HTTP/1.1", MINE)

    assert (answer.status, answer.headers["upgrade"], answer.headers["x-request-id"]) == (426, "websocket", "refused-here")
    if method != "HEAD":
        assert answer.error["code"] == "upgrade_required"


@pytest.mark.parametrize(
    "lines",
    [
        ("GET /v1/models",),
        ("GET /v1/models HTTP/2.0",),
        ("G@T /v1/models HTTP/1.1",),
        ("GET  HTTP/1.1",),
        ("GET /v1/mod\xe9ls HTTP/1.1",),
        ("GET /v1/models?a=\xe9 HTTP/1.1",),
        (f"GET /{'a' * 20_000} HTTP/1.1",),
        ("GET /v1/models HTTP/1.1", "no colon"),
        ("GET /v1/models HTTP/1.1", "b@d: name"),
        ("GET /v1/models HTTP/1.1", "A: nul \x00 byte"),
        ("GET /v1/models HTTP/1.1", "A: \x0b"),
        ("GET /v1/models HTTP/1.1", f"A: {'b' * 20_000}"),
        ("GET /v1/models HTTP/1.1", *(f"A{number}: b" for number in range(501))),
        ("GET /v1/models HTTP/1.1", "Content-Length: 1", "Content-Length: 2"),
        ("GET /v1/models HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"),
        ("POST /v1/video/generations HTTP/1.1", "Content-Length: minus"),
        ("POST /v1/video/generations HTTP/1.1", "Transfer-Encoding: gzip"),
        ("GET /v1/models HTTP/1.1", "Host: one.example", "Host: two.example"),
        ("GET /v1/models HTTP/1.1", "Host: elsewhere.example"),
        (f"POST {HUB}/negotiate HTTP/1.1", "Host: elsewhere.example"),
        (f"GET {HUB} HTTP/1.1", "Host: elsewhere.example", *UPGRADE),
        ("GET /ws/tasks HTTP/1.1", "Host: elsewhere.example", *UPGRADE),
        ("GET /ws/tasks HTTP/1.1", *UPGRADE[:3]),
        ("GET /ws/tasks HTTP/1.1", *UPGRADE[:3], "Sec-WebSocket-Key: short"),
        ("GET /ws/tasks HTTP/1.1", *UPGRADE[:2], "Sec-WebSocket-Version: 99", UPGRADE[3]),
        ("GET /ws/tasks HTTP/1.1", *UPGRADE, "Origin: no origin"),
        ("GET /ws/tasks HTTP/1.1", *UPGRADE, "Sec-WebSocket-Protocol: caf\xe9"),
    ],
)
def test_what_is_malformed_or_not_for_us_is_400(raw, line_of, lines):
    answer = raw(*lines)

    assert (answer.status, answer.error["type"], answer.error["code"]) == (400, "invalid_request_error", "invalid_request")
    assert line_of(answer.headers["x-request-id"])["status"] == 400


def test_a_broken_body_is_400(raw):
    assert raw("POST /v1/video/generations HTTP/1.1", "Transfer-Encoding: chunked", body=b"no size\r\n").error["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        (("GET /nowhere HTTP/1.1", *UPGRADE), 404, "not_found"),
        (("GET /v1/models HTTP/1.1", *UPGRADE), 404, "not_found"),
        ((f"GET {HUB}/nowhere HTTP/1.1", *UPGRADE), 404, "not_found"),
        ((f"GET {HUB} HTTP/1.1", *UPGRADE), 401, "invalid_api_key"),
        ((f"GET {HUB}?access_token=condt_unknown HTTP/1.1", *UPGRADE), 401, "invalid_api_key"),
        (("POST /ws/tasks HTTP/1.1", *UPGRADE), 405, "method_not_allowed"),
        (("GET /ws/tasks HTTP/1.0", *UPGRADE), 101, ""),
        ((f"GET {HUB} HTTP/1.1",), 401, "invalid_api_key"),
        ((f"POST {HUB}/negotiate HTTP/1.1",), 401, "invalid_api_key"),
        ((f"PUT {HUB} HTTP/1.1",), 405, "method_not_allowed"),
        ((f"FROB {HUB}/negotiate HTTP/1.1",), 405, "method_not_allowed"),
        ((f"GET {HUB}/nowhere HTTP/1.1",), 404, "not_found"),
        (("GET /v1/models HTTP/1.0",), 401, "invalid_api_key"),
        (("FROB /v1/models HTTP/1.1", "X-API-Key: x"), 401, "invalid_api_key"),
        (("FROB /nowhere HTTP/1.1",), 404, "not_found"),
        (("TRACE /health HTTP/1.1",), 405, "method_not_allowed"),
        (("OPTIONS * HTTP/1.1",), 404, "not_found"),
    ],
)
def test_other_refusals_say_what_they_are(raw, lines, status, code):
    answer = raw(*lines, MINE)

    assert answer.status == status
    if code:
        assert (answer.error["code"], answer.headers["x-request-id"]) == (code, "refused-here")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(
    ("method", "query", "status", "code"),
    [
        ("GET", "", 400, "invalid_request"),
        ("GET", "?id=unknown", 404, "not_found"),
        ("POST", "?id=unknown", 404, "not_found"),
        ("DELETE", "?id=unknown", 404, "not_found"),
        ("POST", "", 400, "invalid_request"),
    ],
)
def test_the_hub_says_the_same_words_as_ever_and_in_the_envelope(raw, consumer, method, query, status, code):
    answer = raw(f"{method} {HUB}{query} HTTP/1.1", f"Authorization: Bearer {consumer.secret}", MINE, "Origin: https://app.example")

    assert (answer.status, answer.error["code"], answer.headers["x-request-id"]) == (status, code, "refused-here")
    assert "onnection" in answer.error["message"]
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_is_read_by_nobody_before_its_view(raw, kind):
    body = b"--no end"
    answer = raw("POST /v1/video/generations HTTP/1.1", f"Content-Type: {kind}", f"Content-Length: {len(body)}", MINE, body=body)

    assert (answer.status, answer.error["code"], answer.headers["x-request-id"]) == (401, "invalid_api_key", "refused-here")
