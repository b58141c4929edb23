"""What still comes to a process on its way out, on connections that proxies and clients have kept: all of it is answered."""

import base64
import json
import os
import re
import select
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from conduit.stack.supervisor import GRACE_SECONDS
from conduit.web.draining import DRAIN_SECONDS, QUIET_SECONDS
from conduit.web.lines import PATIENCE_SECONDS
from keys.services import create_key
from tests.support.web import ROOT, Web

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.races_the_clock]

UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"
CLOSE_RESTARTING = b"\x88\x02\x03\xf4"  # 1012
HANDSHAKE = b'{"protocol":"json","version":1}\x1e'


class Kept:
    """A connection that was kept after an answer."""

    def __init__(self, web, secret):
        self._secret = secret
        self._socket = socket.create_connection(("127.0.0.1", web.port), timeout=20)
        assert b" 200 " in self.send("GET", "/v1/models").answer()[0]

    def send(self, method, path, more="", body=b""):
        self.begin(method, path, more, body, sent=len(body))
        return self

    def begin(self, method, path, more, body, *, sent):
        """Send all of a request but what is after so many bytes of its body."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._secret}\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(f"{head}{more}\r\n".encode() + body[:sent])

    def go_on(self, body):
        self._socket.sendall(body)

    def answer(self):
        """Head and body of an answer whose length is known."""
        head, _, body = self._until(lambda data: b"\r\n\r\n" in data).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        while len(body) < length:
            body += self._socket.recv(65536)
        return head, body

    def rest(self):
        """Everything until the server closes."""
        with self._socket:
            return self._until(lambda data: False)

    def frame(self, data):
        """Send a text frame, as clients do, with a mask (of zeros)."""
        self._socket.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)
        return self

    def until(self, end):
        """Everything up to that."""
        data = self._until(lambda data: data.endswith(end))
        assert data.endswith(end)
        return data

    def is_open_after(self, seconds):
        """Whether the server has neither closed nor said anything more within that time."""
        return not select.select([self._socket], [], [], seconds)[0]

    def last(self):
        """What comes last; b"" at the end of a connection that was not reset."""
        with self._socket:
            return self._socket.recv(65536)

    def _until(self, enough):
        data = b""
        with suppress(ConnectionResetError):  # how a WebSocket ends whose close nobody answers
            while not enough(data) and (piece := self._socket.recv(65536)):
                data += piece
        return data


@pytest.fixture
def web():
    process = Web()
    yield process.start()
    process.stop()


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_body_that_is_still_being_sent_is_heard_out(web):
    _, secret = create_key(name="ann")
    body = b'{"model": "minimax-video", "prompt": "a cat"}'
    slow = Kept(web, secret)
    slow.begin("POST", "/v1/video/generations", "Content-Type: application/json\r\n", body, sent=10)

    web.terminate()
    while not refuses(web.port):
        time.sleep(0.01)
    time.sleep(2 * QUIET_SECONDS)
    slow.go_on(body[10:])
    assert slow.rest().startswith(b"HTTP/1.1 202 ")
    assert web.stop() == 0


@pytest.mark.races_the_clock  # it has five seconds for its answer
def test_a_socket_that_is_slow_to_answer_its_close_is_waited_for(web):
    """A client that cannot answer any more what it was told may take it for a connection that broke (1006)."""
    _, secret = create_key(name="ann")
    slow = Kept(web, secret)
    slow.send("GET", "/ws/tasks", UPGRADE.format(base64.b64encode(os.urandom(16)).decode()))
    slow.until(b"\r\n\r\n")

    web.terminate()
    slow.until(CLOSE_RESTARTING)
    assert slow.is_open_after(2 * QUIET_SECONDS)
    slow.go_on(bytes([0x88, 0x82, 0, 0, 0, 0]) + CLOSE_RESTARTING[2:])
    assert slow.last() == b""
    assert web.wait() == 0


@pytest.mark.races_the_clock  # a process that ends has seconds for what still comes
def test_what_still_comes_on_kept_connections_is_answered_and_each_is_closed_with_its_answer(web):
    _, secret = create_key(name="ann")
    upgrade = UPGRADE.format(base64.b64encode(os.urandom(16)).decode())
    plain, created, events, tasks, hub, negotiated, idle = (Kept(web, secret) for _ in range(7))

    web.terminate()
    while not refuses(web.port):
        time.sleep(0.01)
    plain.send("GET", "/v1/models")
    created.send("POST", "/v1/video/generations", "Content-Type: application/json\r\n", b'{"model": "minimax-video", "prompt": "a cat"}')
    events.send("GET", "/v1/events")
    tasks.send("GET", "/ws/tasks", upgrade)
    hub.send("GET", f"/hubs/video-generation?access_token={secret}", upgrade)
    negotiated.send("POST", "/hubs/video-generation/negotiate?negotiateVersion=1")
    head = hub.until(b"\r\n\r\n")
    hub.frame(HANDSHAKE)  # as clients do: what comes in one piece with the request that upgrades, daphne loses
    with ThreadPoolExecutor(7) as waiting:
        found = list(waiting.map(Kept.rest, (plain, created, events, tasks, hub, negotiated, idle)))

    found[4] = head + found[4]
    assert [answer.split(b" ")[1] if answer else b"" for answer in found] == [b"200", b"202", b"200", b"101", b"101", b"200", b""]
    assert all(b"connection: close" in found[number].lower() for number in (0, 1, 2, 5))
    assert json.loads(found[1].partition(b"\r\n\r\n")[2])["status"] == "queued"
    assert b"retry: 1000" in found[2]
    assert found[3].endswith(CLOSE_RESTARTING)
    assert b"{}\x1e" in found[4]
    assert b'{"type":7,"allowReconnect":true}\x1e' in found[4]
    assert web.wait() == 0


def test_who_connected_while_a_process_was_busy_is_answered_although_it_is_told_to_end(web):
    os.kill(web.pid, signal.SIGSTOP)
    waiting = [socket.create_connection(("127.0.0.1", web.port), timeout=20) for _ in range(40)]
    for one in waiting:
        one.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    web.terminate()
    os.kill(web.pid, signal.SIGCONT)

    answers = []
    for one in waiting:
        with one, suppress(ConnectionResetError):
            answers.append(one.recv(12))
    assert answers == [b"HTTP/1.1 200"] * len(waiting)
    assert web.wait() == 0


def test_a_call_that_has_stood_in_line_for_as_long_as_one_may_is_still_answered():
    assert DRAIN_SECONDS >= PATIENCE_SECONDS + 5


def test_whoever_ends_a_web_process_waits_longer_than_it_takes_to_end():
    """Until it has drained, its last steps too, and threads that still work on requests of clients that have gone have ended."""
    unit = (ROOT / "ops" / "systemd" / "conduit-web@.service").read_text()
    compose = (ROOT / "ops" / "container" / "compose.yaml").read_text()
    seconds = [
        GRACE_SECONDS,
        re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1],
        re.search(r"^  web:\n(?:    .*\n)*?    stop_grace_period: (\d+)s$", compose, re.M)[1],
    ]
    assert all(float(one) >= DRAIN_SECONDS + 10 for one in seconds)
