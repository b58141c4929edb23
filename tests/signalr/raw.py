"""Requests as no client of Microsoft's would send them: plain HTTP and plain WebSockets."""

from typing import Any
from urllib.parse import urlencode

import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.signalr.servers import EchoServer, Service

# Only a failing case ever waits so long.
SECONDS = 90
HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
ORIGIN = "https://videos.example"


def negotiate(service: Service, http: requests.Session, **query: Any) -> Any:
    answer = http.post(service.url + "/negotiate", params={"negotiateVersion": 1, **query}, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    return answer.json()


def socket_to(
    service: Service | EchoServer, *, token: str | None = "secret-ann", headers: dict[str, str] | None = None, **query: Any
) -> ClientConnection:
    """A WebSocket; InvalidStatus when it is refused."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    address = service.url.replace("http", "ws", 1) + "?" + urlencode(query)
    return connect(address, additional_headers=sent, proxy=None, open_timeout=SECONDS, close_timeout=5, max_size=None)


def refusal_of(service: Service, **asked: Any) -> int:
    """The HTTP status that refuses a WebSocket; AssertionError when it is not refused."""
    try:
        with socket_to(service, **asked):
            raise AssertionError("the WebSocket was accepted")
    except InvalidStatus as refused:
        return refused.response.status_code


def start_polling(service: Service, http: requests.Session) -> str:
    """The token of a long-polling connection that has shaken hands in JSON and whose first messages were taken."""
    token: str = negotiate(service, http)["connectionToken"]
    first = http.get(service.url, params={"id": token}, timeout=SECONDS)
    assert (first.status_code, first.content) == (200, b"")
    assert http.post(service.url, params={"id": token}, data=HANDSHAKE, timeout=SECONDS).status_code == 200
    heard = b""
    while b"Welcome" not in heard:
        heard += http.get(service.url, params={"id": token}, timeout=SECONDS).content
    assert heard.startswith(b"{}\x1e")
    return token


def open_events(service: Service, http: requests.Session, token: str) -> requests.Response:
    """The stream of a server-sent events connection; close it."""
    return http.get(service.url, params={"id": token}, headers={"Accept": "text/event-stream"}, stream=True, timeout=SECONDS)
