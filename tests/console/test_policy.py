"""What browsers are told: pages run scripts and styles of ours alone, answers in JSON nothing; in production TLS is for good."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conduit.api.policy import NOTHING

pytestmark = pytest.mark.django_db


def policy_of(answer):
    parts = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: set(sources.split()) for name, _, sources in parts}


def test_a_page_runs_scripts_and_styles_of_ours_alone_and_nothing_unsafe(admin):
    for path in ("/admin/", "/admin/login/", "/admin/nope/", "/admin/keys/virtualkey/add/"):
        policy = policy_of(admin.get(path))

        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == {"'none'"}
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == {"'self'"}
        assert policy["connect-src"] == {"'self'", "ws://testserver", "wss://testserver"}
        assert policy["media-src"] == {"'self'", "blob:", "http://testserver"}
        assert policy["img-src"] == {"'self'", "data:", "http://testserver"}
        assert "unsafe" not in admin.get(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nope", "/health"])
def test_an_answer_in_json_may_do_nothing(consumer, path):
    assert consumer.get(path).headers["Content-Security-Policy"] == NOTHING
    assert Client().get(path).headers["Content-Security-Policy"] == NOTHING


@pytest.mark.parametrize(
    ("options", "origins"),
    [
        ({}, {"https://s3.amazonaws.com", "https://conduit.s3.amazonaws.com"}),
        (
            {"region_name": "eu-west-1", "addressing_style": "virtual"},
            {"https://conduit.s3.amazonaws.com", "https://conduit.s3.eu-west-1.amazonaws.com"},
        ),
        ({"endpoint_url": "http://minio:9000/x", "addressing_style": "path"}, {"http://minio:9000"}),
        (
            {"endpoint_url": "http://minio:9000", "public_endpoint_url": "https://files.example"},
            {"https://files.example", "https://conduit.files.example"},
        ),
    ],
)
def test_videos_may_come_from_where_the_storage_leads(settings, options, origins):
    settings.S3_BUCKET = "conduit"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "videos.s3.S3", "OPTIONS": options}}

    policy = policy_of(Client().get("/admin/login/"))

    assert policy["media-src"] - {"'self'", "blob:", "http://testserver"} == origins
    assert policy["img-src"] - {"'self'", "data:", "http://testserver"} == origins


@pytest.mark.parametrize(
    ("production", "url", "seconds", "said"),
    [
        (True, "https://video.example", 31_536_000, "max-age=31536000"),
        (True, "https://video.example", 0, None),
        (True, "http://video.intranet", 31_536_000, None),
        (False, "https://video.example", 31_536_000, None),
    ],
)
def test_tls_is_for_good_in_production_where_the_setting_lets_it(settings, production, url, seconds, said):
    settings.PRODUCTION, settings.PUBLIC_URL, settings.HSTS_SECONDS = production, url, seconds

    assert Client().get("/admin/login/").headers.get("Strict-Transport-Security") == said
    assert Client().get("/v1/models").headers.get("Strict-Transport-Security") == said


def test_the_cookie_of_a_session_is_for_this_site_and_no_script(client):
    User.objects.create_superuser("ann", password="a long password")
    answer = client.post("/admin/login/", {"username": "ann", "password": "a long password"})

    [cookie] = [morsel for name, morsel in answer.cookies.items() if "session" in name]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
