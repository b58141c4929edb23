"""A web process, people who are logged in there, and their pages' sockets."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.realtime.conftest import consumer, start_web, web  # noqa: F401 - fixtures
from tests.support.listening import PATIENCE_SECONDS, Listener
from tests.support.web import Web


class Login:
    """A browser in which somebody is logged in to that process."""

    def __init__(self, served_by: Web, name: str) -> None:
        self.served_by = served_by
        self._http = requests.Session()
        self._http.trust_env = False
        self.get("/admin/login/")  # for the token of forms; and its cookie tells what the process calls the other one
        client = Client()
        client.force_login(get_user_model().objects.get(username=name))
        (csrf,) = self._http.cookies.keys()
        self._http.cookies.set(csrf.replace("csrf", "session"), client.session.session_key)

    def get(self, path: str, **query: str) -> requests.Response:
        return self._http.get(self.served_by.url + path, params=query, timeout=30, allow_redirects=False)

    def post(self, path: str, **fields: str) -> None:
        token = next(value for name, value in self._http.cookies.items() if "csrf" in name)
        answer = self._http.post(self.served_by.url + path, data=fields | {"csrfmiddlewaretoken": token}, timeout=30, allow_redirects=False)
        assert answer.status_code in (200, 302), answer.text

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())


class Page(Listener):
    """A page's socket: `watch(tasks=[…])`, and what comes."""

    def __init__(self, served_by: Web, cookie: str, *, origin: str | None) -> None:
        super().__init__()
        self._open = ExitStack()
        opening = connect(
            f"{served_by.url.replace('http', 'ws', 1)}/admin/live/",
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie} if cookie else {},
            proxy=None,
            open_timeout=PATIENCE_SECONDS,
            close_timeout=1,
        )
        self._socket = self._open.enter_context(opening)

    def watch(self, **wanted: Any) -> "Page":
        self.send(json.dumps({"watch": wanted}))
        return self

    def send(self, text: str) -> None:
        with suppress(ConnectionClosed):
            self._socket.send(text)

    def row(self, task_id: str, **expected: Any) -> dict[str, Any]:
        """What is told of the task, once that is among it."""
        return self.until(lambda message: expected.items() <= (message.get("tasks", {}).get(task_id) or {}).items())["tasks"][task_id]

    def close(self) -> None:
        self._open.close()

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                self.came.put(json.loads(text))
        self.close_code = self._socket.close_code


def staff(name: str, *rights: str) -> None:
    user = get_user_model().objects.create_user(name, password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))


@pytest.fixture
def log_in(transactional_db: None) -> Callable[..., Login]:
    """Log somebody in who has these rights: `log_in(web, "bob", "view_task")`."""

    def logged_in(served_by: Web, name: str = "ann", *rights: str) -> Login:
        staff(name, *(rights or ("view_task",)))
        return Login(served_by, name)

    return logged_in


@pytest.fixture
def ann(web: Web, log_in: Callable[..., Login]) -> Login:  # noqa: F811
    """Somebody who may see tasks."""
    return log_in(web)


@pytest.fixture
def open_page() -> Iterator[Callable[..., Page]]:
    """Opens sockets that are closed after the test: `open_page(login)`."""
    opened: list[Page] = []

    def open_one(login: Login) -> Page:
        opened.append(Page(login.served_by, login.cookie, origin=login.served_by.url))
        return opened[-1].open()

    yield open_one
    for page in opened:
        page.close()


def refusal(login: Login, origin: str | None) -> int:
    """The status with which the handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        Page(login.served_by, login.cookie, origin=origin)
    return refused.value.response.status_code
