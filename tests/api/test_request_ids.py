import re

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

OURS = re.compile(r"req_[0-9a-f]{32}")


@pytest.mark.parametrize("sent", ["a", "my-request.7_B", "x" * 128, "01a20278-ca5c-7589-8260-f58625356f59"])
def test_a_well_formed_request_id_comes_back(consumer, sent):
    assert consumer.get("/v1/models", **{"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", " ", "x" * 129, "two words", "ümlaut", "a\nb", "a;b", '"quoted"', "<b>", "a\n", "\uff11\uff12"])
def test_a_malformed_request_id_is_replaced_by_ours(consumer, sent):
    assert OURS.fullmatch(consumer.get("/v1/models", **{"X-Request-ID": sent}).headers["X-Request-ID"])


def test_two_requests_get_two_ids(consumer):
    assert consumer.get("/v1/models").headers["X-Request-ID"] != consumer.get("/v1/models").headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/models", {}, 401),
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/health", {}, 405),
        ("GET", "/v1/models", {"Host": "elsewhere.example"}, 400),
        ("GET", "/admin/login/", {}, 200),
        ("GET", "/admin/", {}, 302),
        ("GET", "/static/nothing.css", {}, 404),
        ("GET", "/media/x/video.mp4", {}, 404),
    ],
)
def test_every_answer_carries_the_request_id(method, path, headers, status):
    answer = Client().generic(method, path, headers=headers | {"X-Request-ID": "mine"})

    assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, "mine")


def test_a_crash_answers_with_the_request_id(consumer, monkeypatch):
    monkeypatch.setattr("videos.views.offers", lambda: 1 / 0)

    answer = consumer.get("/v1/models", **{"X-Request-ID": "mine"})

    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "mine")
