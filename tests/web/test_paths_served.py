"""Whatever a client sends, logs, rules about paths and Django look at one and the same path."""

import pytest

from tests.support.raw_http import UPGRADE, exchange


@pytest.mark.parametrize("name", ["Daphne-Root-Path", "daphne-root-path", "DAPHNE-ROOT-PATH"])
@pytest.mark.parametrize("value", ["/v1/models", "/v1%2Fmodels", "/caf\xe9", "", "/"])
def test_no_header_moves_the_console_below_the_api(raw, line_of, name, value):
    answer = raw("GET /v1/models/admin/login/ HTTP/1.1", f"{name}: {value}", "X-Request-ID: moved-get")

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")  # a model of that name is looked for, by whoever has a key


def test_no_header_hides_a_call_from_the_log(raw, line_of):
    raw("GET /health/v1/models HTTP/1.1", "Daphne-Root-Path: /health", "X-Request-ID: hidden-call")
    raw("GET /v1/models HTTP/1.1", "Daphne-Root-Path: /v1", "X-Request-ID: plain-call")

    assert (line_of("hidden-call")["path"], line_of("hidden-call")["status"]) == ("/health/v1/models", 404)
    assert (line_of("plain-call")["path"], line_of("plain-call")["status"]) == ("/v1/models", 401)


@pytest.mark.parametrize("value", ["/ws", "/caf\xe9"])
def test_no_header_moves_a_socket(raw, value):
    answer = raw("GET /ws/ws/tasks HTTP/1.1", f"Daphne-Root-Path: {value}", *UPGRADE)

    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "header",
    [
        "X-Script-Name: /v1",
        "Script-Name: /v1",
        "X-Original-URL: /health/live",
        "X-Rewrite-URL: /health/live",
        "X-Forwarded-Prefix: /v1",
        "X-Forwarded-Host: elsewhere.example",
        "X-HTTP-Method-Override: DELETE",
        "Script_Name: /v1",
    ],
)
def test_headers_that_other_servers_obey_change_nothing(raw, header):
    answer = raw("GET /v1/models HTTP/1.1", header)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


def test_a_header_may_say_https_for_nobody_that_we_do_not_trust(raw):
    answer = raw("GET /admin HTTP/1.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: elsewhere.example")

    assert (answer.status, answer.headers["location"]) == (302, "/admin/")


@pytest.mark.parametrize(
    "target", ["//admin/login/", "/v1/../admin/login/", "/./admin/login/", "/admin//login/", "/admin/login/;x", "/ADMIN/login/"]
)
def test_slashes_are_not_merged_and_dots_lead_nowhere(raw, target):
    assert raw(f"GET {target} HTTP/1.1").status in (302, 404)  # the console sends whoever is not logged in to its form
    assert raw(f"GET {target.replace('/admin/login/', '/v1/models')} HTTP/1.1", "X-API-Key: x").status in (302, 401, 404)


@pytest.mark.parametrize(
    "target",
    [
        "/v1%2Fmodels",
        "/admin%2flogin/",
        "/v1%5cmodels",
        "/v1\\models",
        "/v1/%00models",
        "/v1/models%0aGET",
        "/v1/%7f",
        "/v1/%c2%85",
        "/v1/%ff",
        "models",
        "localhost:80",
        "ftp://localhost/v1/models",
        "http://user@localhost/v1/models",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_400(raw, line_of, target):
    answer = raw(f"GET {target} HTTP/1.1")

    assert (answer.status, answer.error["code"]) == (400, "invalid_request")
    assert line_of(answer.headers["x-request-id"])["status"] == 400


@pytest.mark.parametrize("target", ["/v1/models", "/%76%31/models", "http://localhost/v1/models", "HTTP://127.0.0.1:80/v1/models?limit=1"])
def test_a_path_is_decoded_once_and_a_whole_address_is_its_path(raw, line_of, target):
    answer = raw(f"GET {target} HTTP/1.1", "X-API-Key: x")

    assert answer.status == 401
    assert line_of(answer.headers["x-request-id"])["path"] == "/v1/models"


def test_a_path_is_not_decoded_twice(raw, line_of):
    answer = raw("GET /v1%252Fmodels HTTP/1.1")

    assert answer.status == 404
    assert line_of(answer.headers["x-request-id"])["path"] == "/v1%2Fmodels"


@pytest.mark.parametrize("path", ["/v1/models", "/ws/tasks", "/hubs/video-generation"])
def test_the_host_of_a_whole_address_is_the_one_that_counts(raw, path):
    upgrade = UPGRADE if path.startswith("/ws") else ()
    answer = raw(f"GET http://elsewhere.example{path} HTTP/1.1", "Host: localhost", *upgrade)

    assert (answer.status, answer.error["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("target", ["//elsewhere.example/ws/tasks", "/ws/tasks;x=1", "/nowhere", "/v1/models", "/health/live"])
def test_a_socket_is_at_its_own_path_alone(raw, line_of, target):
    answer = raw(f"GET {target} HTTP/1.1", *UPGRADE)

    assert answer.error["code"] in ("not_found", "task_not_found")
    assert line_of(answer.headers["x-request-id"])["path"] == target


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-API-Key",
        "Cookie",
        "Accept",
        "Accept-Language",
        "Content-Type",
        "Origin",
        "Referer",
        "User-Agent",
        "X-Request-ID",
        "Range",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "If-None-Match",
        "If-Modified-Since",
        "Idempotency-Key",
        "Last-Event-ID",
        "Host",
        "Expect",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Key",
        "Access-Control-Request-Method",
        "Transfer-Encoding",
        "Content-Length",
    ],
)
@pytest.mark.parametrize(
    "first", ["GET /v1/models", "GET /admin/login/", "GET /hubs/video-generation", "GET /hubs/video-generation SOCKET"]
)
def test_a_header_that_is_no_ascii_is_no_error_of_ours(web, name, first):
    lines = [
        f"{first.removesuffix(' SOCKET')} HTTP/1.1",
        *(UPGRADE if first.endswith("SOCKET") else ["Connection: close"]),
        "Host: localhost",
    ]
    lines = [line for line in lines if not line.startswith(f"{name}:")] + [f"{name}: caf\xe9 \xff"]
    answer = exchange(web.port, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    assert answer.status < 500
    if answer.status >= 400:
        assert answer.error


def test_methods_and_paths_in_the_log_are_bounded_and_stay_on_their_line(raw, web, line_of):
    raw(f"{'A' * 5000} /v1/{'b' * 9000} HTTP/1.1", "X-Request-ID: long-and-plain")
    raw(f"GET /v1/{'c' * 9000}%00%0a HTTP/1.1", "X-Request-ID: long-and-refused")
    raw(f"GET /ws/tasks/{'d' * 9000} HTTP/1.1", "X-Request-ID: long-and-no-socket", "Host: elsewhere.example", *UPGRADE)
    raw("GET /v1/models HTTP/1.1", "X-Request-ID: long-client", f"X-Forwarded-For: {'1' * 9000}", f"User-Agent: {'e' * 3000}")
    told = [line_of(name) for name in ("long-and-plain", "long-and-refused", "long-and-no-socket", "long-client")]
    lines = [text for text in web.lines if "long-" in text]

    assert len(lines) == 4
    assert max(map(len, lines)) < 1500
    assert told[0]["path"].endswith(" (9004 characters)")
