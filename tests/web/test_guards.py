"""The hub and the sockets serve the hosts and origins that everything else serves."""

import asyncio
import json
from typing import Any

import pytest

from conduit.web.guards import guarded

APP = "https://app.example"


async def inner(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "served"})


def outcome(kind: str, *, for_own_pages: bool = False, **headers: str) -> Any:
    """ "served", or the status and words of the refusal."""
    sent: list[dict[str, Any]] = []
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": "/ws/tasks", "headers": given, "server": ("127.0.0.1", 8000), "client": ("192.0.2.1", 1)}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(guarded(inner, for_own_pages=for_own_pages)(scope, receive, send))
    if sent[0]["type"] == "served":
        return "served"
    return sent[0]["status"], json.loads(sent[1]["body"])["error"]["code"]


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["video.example", ".wild.example", "127.0.0.1"]
    settings.PUBLIC_URL = "https://video.example"
    settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOW_ALL_ORIGINS = [APP], False


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", ["video.example", "VIDEO.example:8000", "a.wild.example", "127.0.0.1:1"])
def test_a_host_of_ours_is_served(kind, host):
    assert outcome(kind, host=host) == "served"


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "host", ["elsewhere.example", "video.example.elsewhere.example", "", "video.example:port", "video.example,video.example", "[::1"]
)
def test_any_other_host_is_refused(kind, host):
    assert outcome(kind, host=host) == (400, "invalid_request")


def test_without_a_host_the_address_counts_as_it_does_for_django():
    assert outcome("http") == "served"


@pytest.mark.parametrize("origin", [APP, "https://video.example", "http://video.example"])
def test_a_socket_is_opened_by_scripts_of_listed_origins_and_by_our_own(origin):
    assert outcome("websocket", host="video.example", origin=origin) == "served"


@pytest.mark.parametrize(
    "origin",
    ["https://elsewhere.example", "null", "https://app.example.elsewhere.example", "http://app.example", "https://video.example:444"],
)
def test_a_socket_is_not_opened_by_scripts_of_others(settings, origin):
    assert outcome("websocket", host="video.example", origin=origin) == (403, "permission_denied")
    assert outcome("http", host="video.example", origin=origin) == "served"  # browsers keep the answer from them
    settings.CORS_ALLOW_ALL_ORIGINS = True
    assert outcome("websocket", host="video.example", origin=origin) == "served"


def test_programs_send_no_origin():
    assert outcome("websocket", host="video.example") == "served"


@pytest.mark.parametrize(
    ("origin", "is_served"),
    [("https://video.example", True), (APP, False), ("https://elsewhere.example", False), ("null", False), ("", False)],
)
def test_what_a_login_opens_is_for_our_own_pages_alone(settings, origin, is_served):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    headers = {"origin": origin} if origin else {}

    assert (outcome("websocket", for_own_pages=True, host="video.example", **headers) == "served") is is_served
