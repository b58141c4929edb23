"""Browsers on other origins: any may call, the key is the authorization."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

ORIGIN = "https://app.example"
EXPOSED = {"etag", "location", "retry-after", "x-request-id"} | {f"x-ratelimit-{part}-requests" for part in ("limit", "remaining", "reset")}


def preflight(path: str, method: str = "POST", headers: str = "authorization, content-type") -> object:
    asks = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return Client().options(path, headers=asks)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/video/generations", "POST"),
        ("/v1/video/generations/01a20278-ca5c-7589-8260-f58625356f59", "DELETE"),
        ("/v1/tasks", "GET"),
        ("/media/01a20278-ca5c-7589-8260-f58625356f59/video.mp4", "GET"),
    ],
)
def test_a_preflight_needs_no_key_and_allows_what_the_api_reads(path, method):
    answer = preflight(path, method)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = set(answer.headers["Access-Control-Allow-Headers"].replace(" ", "").split(","))
    assert {
        "authorization",
        "content-type",
        "x-api-key",
        "x-request-id",
        "if-none-match",
        "idempotency-key",
        "last-event-id",
        "range",
    } <= allowed


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/video/generations"])
def test_a_preflight_allows_every_header_that_is_asked_for(path):
    asked = "authorization,baggage,traceparent,x-stainless-retry-count,X-Anything"

    answer = preflight(path, headers=asked)

    assert set(asked.lower().split(",")) <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))


@pytest.mark.parametrize("asked", ["", "a b", "a\tb", "a,,b", "<script>", "x" * 101, ",".join(["x"] * 101)])
def test_what_is_no_list_of_headers_is_not_repeated(asked):
    assert "authorization" in preflight("/v1/tasks", headers=asked).headers["Access-Control-Allow-Headers"]
    assert not asked or asked not in preflight("/v1/tasks", headers=asked).headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/tasks", "/v1/tasks/unknown", "/v1/nothing"])
def test_an_answer_may_be_read_from_any_origin_with_its_headers(consumer, path):
    answer = consumer.get(path, Origin=ORIGIN)

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")} >= EXPOSED


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Host": "elsewhere.example"}, 400)])
def test_a_page_can_read_why_it_was_refused(headers, status):
    answer = Client().get("/v1/models", headers=headers | {"Origin": ORIGIN})

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


def test_a_page_can_read_that_the_server_crashed(consumer, monkeypatch):
    monkeypatch.setattr("videos.views.offers", lambda: 1 / 0)

    answer = consumer.get("/v1/models", Origin=ORIGIN)

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (500, "*")


def test_cookies_of_the_console_are_never_sent_across_origins(consumer):
    assert "Access-Control-Allow-Credentials" not in consumer.get("/v1/models", Origin=ORIGIN).headers


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/health", "/nowhere"])
def test_pages_outside_the_api_are_not_opened_to_other_origins(path):
    assert "Access-Control-Allow-Origin" not in Client().get(path, headers={"Origin": ORIGIN}).headers
    assert "Access-Control-Allow-Origin" not in preflight(path).headers


def test_a_list_of_origins_narrows_who_may_call(consumer, settings):
    settings.CORS_ALLOW_ALL_ORIGINS, settings.CORS_ALLOWED_ORIGINS = False, [ORIGIN]

    mine = consumer.get("/v1/models", Origin=ORIGIN)
    other = consumer.get("/v1/models", Origin="https://other.example")

    assert mine.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in other.headers
