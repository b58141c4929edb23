"""Passwords are looked at in two threads of their own, of one address in one: who waits for them keeps nobody else waiting."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from conduit.console.passwords import AT_ONCE, are_looked_at, too_many_logins_page
from conduit.web import handler, logins
from conduit.web.handler import OneHopHandler

begun = threading.Semaphore(0)
let_go = threading.Event()


@csrf_exempt
def log_in(request: Any) -> HttpResponse:
    if request.method == "POST":
        begun.release()
        assert let_go.wait(timeout=30)
    return HttpResponse(b"ok")


urlpatterns = [path("admin/login/", log_in)]
handler400 = "conduit.api.views.bad_request"
handler500 = "conduit.api.views.server_error"


@pytest.fixture(autouse=True)
def _own_paths() -> Iterator[None]:
    let_go.clear()
    too_many_logins_page()  # leads to pages of the real site
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], MIDDLEWARE=[]):
        yield
    let_go.set()
    while begun.acquire(blocking=False):
        pass


async def ask(application: OneHopHandler, address: str, method: str = "POST") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": method, "path": "/admin/login/", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"testserver")], "client": (address, 1), "server": ("testserver", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent


async def until_begun(count: int) -> None:
    for _ in range(count):
        assert await asyncio.to_thread(begun.acquire, timeout=30)


@pytest.mark.parametrize(
    ("method", "path", "are"),
    [
        ("POST", "/admin/login/", True),
        ("GET", "/admin/login/", False),
        ("POST", "/admin/password_change/", True),
        ("POST", "/admin/auth/user/add/", True),
        ("POST", "/admin/auth/user/12/password/", True),
        ("POST", "/admin/auth/user/12/change/", False),
        ("POST", "/v1/video/generations", False),
    ],
)
def test_which_requests_have_a_password_looked_at(method: str, path: str, are: bool) -> None:
    assert are_looked_at(method, path) is are


def test_a_login_too_many_waits_and_the_form_and_everything_else_do_not() -> None:
    async def scenario() -> None:
        application = OneHopHandler()
        posts = [asyncio.create_task(ask(application, f"192.0.2.{number}")) for number in range(AT_ONCE + 3)]
        await until_begun(AT_ONCE)
        assert [(await ask(application, f"192.0.2.{number}", "GET"))[0]["status"] for number in range(9)] == [200] * 9
        assert not begun.acquire(blocking=False)
        let_go.set()
        assert [(await post)[0]["status"] for post in posts] == [200] * len(posts)

    asyncio.run(scenario())


def test_one_address_has_one_of_them_whoever_else_logs_in() -> None:
    async def scenario() -> None:
        application = OneHopHandler()
        stranger = [asyncio.create_task(ask(application, "198.51.100.9")) for _ in range(4)]
        await until_begun(1)
        ann = asyncio.create_task(ask(application, "192.0.2.1"))
        await until_begun(1)
        assert not begun.acquire(blocking=False)
        let_go.set()
        assert [(await answer)[0]["status"] for answer in (ann, *stranger)] == [200] * 5

    asyncio.run(scenario())


@pytest.mark.parametrize(("waiting", "patience"), [(1, 30.0), (20, 0.05)])
def test_who_waits_for_too_long_or_with_too_many_sees_a_page(monkeypatch: Any, waiting: int, patience: float) -> None:
    monkeypatch.setattr(handler, "PASSWORDS_WAITING", waiting)
    monkeypatch.setattr(handler, "PASSWORD_PATIENCE_SECONDS", patience)
    monkeypatch.setattr(logins, "HOLD_SECONDS", 0)

    async def scenario() -> None:
        application = OneHopHandler()
        posts = [asyncio.create_task(ask(application, "198.51.100.9")) for _ in range(2)]
        await until_begun(1)
        start, body = await ask(application, "198.51.100.9")
        headers = dict(start["headers"])
        assert (start["status"], headers[b"content-type"]) == (429, b"text/html; charset=utf-8")
        assert {b"retry-after", b"x-request-id"} <= set(headers)
        assert b"too many log-ins at once" in body["body"]
        let_go.set()
        await asyncio.gather(*posts)

    asyncio.run(scenario())


def test_a_program_that_is_told_so_hears_of_it_late_while_there_are_few(monkeypatch: Any) -> None:
    monkeypatch.setattr(logins, "HELD_MAX", 1)
    monkeypatch.setattr(logins, "HOLD_SECONDS", 30)

    async def scenario() -> None:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        held = asyncio.create_task(logins.too_many_logins({}, None, send))
        await asyncio.sleep(0)
        assert sent == []
        await logins.too_many_logins({}, None, send)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        held.cancel()

    asyncio.run(scenario())
