"""Clients of streams that follow a key's tasks for as long as it takes, and note what they were told and how each stream ended."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import WebSocketException

from conduit.stack.lifeline import tied
from tests.signalr.client import FOLDER, NODE
from tests.support.listening import WebSocketListener

RETRY_SECONDS = 0.2


class Told:
    """What one client was told: (position, task id, status) of each stored event, connection by connection; and what became of these."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections: list[list[tuple[int, str, str]]] = [[]]
        self.ends: list[object] = []
        self.refused: list[object] = []
        self.problems: list[object] = []

    @property
    def events(self) -> set[tuple[int, str, str]]:
        return {event for connection in self.connections for event in connection}

    def backward(self) -> int:
        """How often the events of a task went back, within one connection."""
        count = 0
        for connection in self.connections:
            newest: dict[str, int] = {}
            for position, task_id, _ in connection:
                count += position <= newest.get(task_id, 0)
                newest[task_id] = max(position, newest.get(task_id, 0))
        return count


class Socket:
    """A plain WebSocket that goes on after the last event that it has seen, at once when it is told to (1012)."""

    def __init__(self, url: str, secret: str, number: int) -> None:
        self.told = Told(f"socket {number}")
        self._url, self._secret = url, secret
        self._reached = 0

    def go_on(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                listener = WebSocketListener(self._url, self._secret, after=self._reached).open()
            except (OSError, WebSocketException) as error:
                self.told.problems.append((time.monotonic(), repr(error)))
                over.wait(RETRY_SECONDS)
                continue
            self._listen(listener, over)

    def _listen(self, listener: WebSocketListener, over: threading.Event) -> None:
        while not over.is_set() and not (listener.ended.is_set() and listener.came.empty()):
            try:
                self._take(listener.next(0.2))
            except AssertionError:  # nothing came
                continue
        if not over.is_set():
            self.told.ends.append(listener.close_code)
            self.told.connections.append([])
        listener.close()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] in ("error", "resync"):
            self.told.problems.append((time.monotonic(), message))
        elif event := stored(message):
            self.told.connections[-1].append(event)
            self._reached = event[0]


@contextmanager
def hub_clients(url: str, secret: str, count: int) -> Iterator[list[Told]]:
    """So many of Microsoft's clients in node, over each transport in turn, connected; they resume as docs/realtime.md says."""
    command = tied([str(NODE), str(FOLDER / "followers.mjs"), f"{url}/hubs/video-generation", secret, str(count)])
    process = subprocess.Popen(command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    lines = process.stdout
    told, ready = [Told(f"hub {number}") for number in range(count)], threading.Event()

    def read() -> None:
        for line in lines:
            said = json.loads(line)
            if said["what"] == "ready":
                ready.set()
            else:
                _note(told[said["client"]], said)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("Not all hub clients could connect.")
        yield told
    finally:
        process.stdin.close()
        if process.wait(timeout=20):
            told[0].problems.append((time.monotonic(), f"node ended with {process.returncode}"))
        reading.join(timeout=10)
        process.stdout.close()


def _note(told: Told, said: dict[str, Any]) -> None:
    match said["what"]:
        case "event":
            told.connections[-1].append((said["position"], said["task"], said["status"]))
        case "reconnecting":
            told.ends.append(said["why"])
        case "reconnected":
            told.connections.append([])
        case "refused":  # its connection ended before it had resumed: it reconnects once more
            told.refused.append(said["why"])
        case _:
            told.problems.append((time.monotonic(), said))


def stored(message: dict[str, Any]) -> tuple[int, str, str] | None:
    """The stored event in a plain stream's message; None when it is a picture of how things stand."""
    if message["type"] in ("task.snapshot", "task.progress") or "event_id" not in message:
        return None
    return message["event_id"], message["task"]["task_id"], message["task"]["status"]
