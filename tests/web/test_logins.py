"""Passwords are looked at two at a time in a process; who comes then is told so, and keeps no thread from anybody."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.contrib.auth.models import User
from django.test import Client

from conduit.console.passwords import AT_ONCE, Bounded, BoundedHasher, TooManyLogins
from conduit.web import logins
from conduit.web.handler import caller_of
from conduit.web.logins import LoginTurns

begun = threading.Semaphore(0)
let_go = threading.Event()


class _Waits(PBKDF2PasswordHasher):
    """Takes as long as the test wants."""

    iterations = 1

    def encode(self, password: str, salt: str, *rest: Any) -> str:
        if password == "slow":
            begun.release()
            assert let_go.wait(timeout=30)
        return super().encode(password, salt, *rest)


class WaitingHasher(Bounded, _Waits):
    """The bound of ours."""


@contextmanager
def as_many_as_may_be() -> Iterator[None]:
    """AT_ONCE passwords are being looked at."""
    let_go.clear()
    threads = [threading.Thread(target=make_password, args=("slow",)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert begun.acquire(timeout=30)
        yield
    finally:
        let_go.set()
        for thread in threads:
            thread.join()


@pytest.fixture(autouse=True)
def _hasher(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.WaitingHasher"]


def is_the_page(answer: Any) -> bool:
    assert (answer.status_code, answer.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert int(answer.headers["Retry-After"]) > 0
    return "too many log-ins at once" in answer.content.decode()


def test_a_password_too_many_is_neither_made_nor_checked_and_later_it_is():
    with as_many_as_may_be():
        for look in (lambda: make_password("x"), lambda: check_password("x", "pbkdf2_sha256$1$salt$hash")):
            with pytest.raises(TooManyLogins):
                look()
    assert check_password("x", make_password("x"))


def test_production_looks_at_passwords_with_that_bound():
    import conduit.settings

    assert [f"{BoundedHasher.__module__}.{BoundedHasher.__name__}"] == conduit.settings.PASSWORD_HASHERS
    assert issubclass(BoundedHasher, Bounded)
    assert check_password("x", PBKDF2PasswordHasher().encode("x", "salt", 1))  # those that Django made stay good


@pytest.mark.django_db
@pytest.mark.parametrize("username", ["root", "nobody"])
def test_people_see_a_page_when_they_log_in_then(username):
    User.objects.create_superuser("root", password="right")
    with as_many_as_may_be():
        assert is_the_page(Client().post("/admin/login/", {"username": username, "password": "right"}))
    assert Client().post("/admin/login/", {"username": "root", "password": "right"}).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/admin/password_change/", {"old_password": "right", "new_password1": "Quite-long-9", "new_password2": "Quite-long-9"}),
        ("/admin/auth/user/add/", {"username": "ben", "password1": "Quite-long-9", "password2": "Quite-long-9", "usable_password": "true"}),
    ],
)
def test_people_see_a_page_when_they_set_a_password_then(path, form):
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="right"))
    with as_many_as_may_be():
        assert is_the_page(client.post(path, form))
    assert User.objects.count() == 1


addresses = count()


class Console:
    """An application that answers a log-in when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.scopes: list[dict[str, Any]] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.asked += 1
        self.scopes.append(scope)
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(application: Any, method: str = "POST", address: str = "") -> list[dict[str, Any]]:
    """From an address of its own unless one is given."""
    sent: list[dict[str, Any]] = []
    client = address or f"192.0.2.{next(addresses) % 256}"
    scope = {"type": "http", "method": method, "path": "/admin/login/", "headers": [], "client": (client, 1)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, None, send)
    return sent


def test_a_login_too_many_is_refused_before_it_takes_a_thread(monkeypatch):
    monkeypatch.setattr(logins, "PATIENCE_SECONDS", 0.01)

    async def scenario() -> None:
        console = Console()
        application = LoginTurns(console)
        first = [asyncio.create_task(ask(application)) for _ in range(AT_ONCE)]
        refused = await asyncio.wait_for(ask(application), timeout=30)
        assert console.asked == AT_ONCE
        headers = dict(refused[0]["headers"])
        assert (refused[0]["status"], headers[b"content-type"]) == (429, b"text/html; charset=utf-8")
        assert {b"retry-after", b"x-request-id"} <= set(headers)
        assert b"too many log-ins at once" in refused[1]["body"]
        console.go.set()
        assert [(await answer)[0]["status"] for answer in first] == [200] * AT_ONCE
        assert (await ask(application))[0]["status"] == 200

    asyncio.run(scenario())


def test_a_login_that_gets_a_turn_in_time_is_served(monkeypatch):
    monkeypatch.setattr(logins, "PATIENCE_SECONDS", 30)

    async def scenario() -> None:
        console = Console()
        application = LoginTurns(console)
        asked = [asyncio.create_task(ask(application)) for _ in range(AT_ONCE + 3)]
        await asyncio.sleep(0)
        assert console.asked == AT_ONCE
        console.go.set()
        assert [(await answer)[0]["status"] for answer in asked] == [200] * (AT_ONCE + 3)

    asyncio.run(scenario())


def test_more_than_may_wait_get_no_turn_and_hear_of_it_no_sooner_while_there_are_few(monkeypatch):
    monkeypatch.setattr(logins, "PATIENCE_SECONDS", 30)
    monkeypatch.setattr(logins, "WAITING_MAX", 2)
    monkeypatch.setattr(logins, "HELD_MAX", 1)

    async def scenario() -> None:
        console = Console()
        application = LoginTurns(console)
        waiting = [asyncio.create_task(ask(application)) for _ in range(AT_ONCE + 2)]
        await asyncio.sleep(0)
        held = asyncio.create_task(ask(application))
        await asyncio.sleep(0)
        assert (await ask(application))[0]["status"] == 429
        console.go.set()
        assert [(await answer)[0]["status"] for answer in waiting] == [200] * (AT_ONCE + 2)
        assert not held.done()
        held.cancel()

    asyncio.run(scenario())


def test_one_address_has_one_turn_and_some_that_wait_whoever_else_logs_in(monkeypatch):
    monkeypatch.setattr(logins, "PATIENCE_SECONDS", 30)
    monkeypatch.setattr(logins, "WAITING_OF_ADDRESS", 3)
    monkeypatch.setattr(logins, "HELD_MAX", 0)

    async def scenario() -> None:
        console = Console()
        application = LoginTurns(console)
        stranger = [asyncio.create_task(ask(application, address="198.51.100.9")) for _ in range(4)]
        await asyncio.sleep(0)
        assert (await ask(application, address="198.51.100.9"))[0]["status"] == 429
        ann = asyncio.create_task(ask(application))
        await asyncio.sleep(0)
        assert [scope["client"][0] == "198.51.100.9" for scope in console.scopes] == [True, False]
        console.go.set()
        assert [(await answer)[0]["status"] for answer in (ann, *stranger)] == [200] * 5

    asyncio.run(scenario())


def test_a_login_that_has_its_turn_does_not_wait_for_what_else_its_address_asks_for():
    async def scenario() -> None:
        console = Console()
        console.go.set()
        await ask(LoginTurns(console), address="198.51.100.9")
        [scope] = console.scopes
        assert caller_of(scope).address == "log-ins"

    asyncio.run(scenario())


def test_the_form_itself_takes_no_turn():
    async def scenario() -> None:
        console = Console()
        application = LoginTurns(console)
        posts = [asyncio.create_task(ask(application)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        form = asyncio.create_task(ask(application, "GET"))
        await asyncio.sleep(0)
        assert console.asked == AT_ONCE + 1
        console.go.set()
        await asyncio.gather(form, *posts)

    asyncio.run(scenario())
