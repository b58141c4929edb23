"""Clients of the three kinds of stream, for tests. Each reads in a thread of its own; a test takes what came, in order."""

import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE_SECONDS = 90.0
RECORD = "\x1e"


class Listener:
    """What has come, and how it ended. `next` and `until` wait; AssertionError when nothing comes in time."""

    def __init__(self) -> None:
        self.came: queue.Queue[dict[str, Any]] = queue.Queue()
        self.seen: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self.close_code: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> Self:
        self._thread.start()
        return self

    def next(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        try:
            message = self.came.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"nothing came within {seconds:g} s; before: {[one.get('type') for one in self.seen]}") from None
        self.seen.append(message)
        return message

    def until(self, fits: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The first message from here on that fits."""
        end = time.monotonic() + seconds
        while not fits(message := self.next(max(0.01, end - time.monotonic()))):
            pass
        return message

    def until_type(self, name: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        return self.until(lambda message: message.get("type") == name, seconds)

    def rest(self) -> list[dict[str, Any]]:
        """Everything until the stream's end."""
        assert self.ended.wait(PATIENCE_SECONDS), "the stream does not end"
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self.came.get_nowait())
        self.seen += found
        return found

    def is_silent(self, seconds: float) -> bool:
        try:
            self.seen.append(self.came.get(timeout=seconds))
        except queue.Empty:
            return True
        return False

    def close(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        try:
            self._listen()
        finally:
            self.ended.set()

    def _listen(self) -> None:
        raise NotImplementedError


class WebSocketListener(Listener):
    def __init__(
        self,
        url: str,
        secret: str,
        *,
        path: str = "/ws/tasks",
        after: int | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        given = {"access_token": secret} | ({} if after is None else {"after": str(after)}) | (query or {})
        self._headers = headers or {}
        self._open = ExitStack()
        opening = connect(
            f"{url.replace('http', 'ws', 1)}{path}?{urlencode({name: text for name, text in given.items() if text})}",
            proxy=None, open_timeout=PATIENCE_SECONDS, additional_headers=self._headers, close_timeout=1, max_size=2**24,
        )  # fmt: skip
        self._socket = self._open.enter_context(opening)

    def send(self, text: str) -> None:
        self._socket.send(text)

    def close(self) -> None:
        self._open.close()

    def _listen(self) -> None:
        try:
            for text in self._socket:
                self.came.put(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self._socket.close_code


class EventSourceListener(Listener):
    """Server-sent events, as a browser's EventSource reads them, but without its coming back by itself."""

    def __init__(self, url: str, secret: str, *, path: str = "/v1/events", after: int | None = None, header: bool = False) -> None:
        super().__init__()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        query = "" if after is None or header else f"?{urlencode({'after': after})}"
        if header:
            headers["Last-Event-ID"] = str(after)
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._connection.request("GET", path + query, headers=headers)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self.lines: list[str] = []

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # who reads it sees the end

    def _listen(self) -> None:
        fields: dict[str, str] = {}
        with suppress(OSError, HTTPException):
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                self.lines.append(line)
                if line:
                    name, _, text = line.partition(": ")
                    fields[name] = text
                    continue
                if "data" in fields:
                    self._put(fields)
                fields = {}
        self._connection.close()

    def _put(self, fields: dict[str, str]) -> None:
        message = json.loads(fields["data"])
        if fields["event"] == "error":
            message["type"] = "error"
        else:
            assert message["type"] == fields["event"]
            assert str(message.get("event_id")) == fields.get("id", "None")
        self.came.put(message)


class HubListener(Listener):
    """The hub over WebSocket and JSON, without negotiation. A message is an event's object with its name as `type`."""

    def __init__(self, url: str, secret: str) -> None:
        super().__init__()
        self._open = ExitStack()
        opening = connect(
            f"{url.replace('http', 'ws', 1)}/hubs/video-generation?{urlencode({'access_token': secret})}",
            proxy=None, open_timeout=PATIENCE_SECONDS, close_timeout=1,
        )  # fmt: skip
        self._socket = self._open.enter_context(opening)
        self._socket.send(json.dumps({"protocol": "json", "version": 1}) + RECORD)
        answer = json.loads(str(self._socket.recv(timeout=PATIENCE_SECONDS)).removesuffix(RECORD))
        self.refusal: str = answer.get("error", "")  # what the handshake was answered, where it was refused
        self.closing: dict[str, Any] | None = None
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()  # None: the connection ended
        self._invocations = 0

    def invoke(self, target: str, *arguments: object) -> Any:
        """The result. RuntimeError with what the server said when it failed."""
        self._invocations += 1
        message = {"type": 1, "invocationId": str(self._invocations), "target": target, "arguments": arguments}
        self._socket.send(json.dumps(message) + RECORD)
        answer = self._answers.get(timeout=PATIENCE_SECONDS)
        if answer is None:
            raise RuntimeError("the connection ended")
        assert answer["invocationId"] == str(self._invocations)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("result")

    def joined(self) -> Self:
        """Wait until it is told of what happens: what a client invokes is looked at after that, such as this that is refused."""
        with suppress(RuntimeError):
            self.invoke("Resume", "")
        return self

    def resume(self, after: int) -> None:
        """Ask for what came after that event. RuntimeError when the connection ends instead."""
        try:
            self.invoke("Resume", after)
        except ConnectionClosed as error:
            raise RuntimeError("the connection ended") from error

    def close(self) -> None:
        self._open.close()

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                for record in str(text).split(RECORD)[:-1]:
                    self._take(json.loads(record))
        self._answers.put(None)

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case 1:
                [event] = message["arguments"]
                self.came.put({"type": message["target"], **event})
            case 3:
                self._answers.put(message)
            case 7:
                self.closing = message
