"""Redis is restarted and daphne killed while tasks run: whoever comes back is told of every change of status."""

import itertools
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import requests
from websockets.exceptions import WebSocketException

from tests.e2e.test_generation import generate
from tests.support.listening import EventSourceListener, HubListener, Listener, WebSocketListener
from tests.support.running import RunningStack

HUB_TYPES = {"VideoGenerationStarted": "task.started", "VideoGenerationCompleted": "task.completed", "VideoGenerationFailed": "task.failed"}
ENDS = ("task.completed", "task.failed", "task.cancelled")


class Subscriber:
    """A client that reconnects for as long as it takes, after the last event that it has seen."""

    def __init__(self, stack: RunningStack, kind: str, over: threading.Event) -> None:
        self.kind = kind
        self.seen: dict[int, tuple[str, str]] = {}
        self.resyncs = 0
        self.reached = 0
        self.contradictions: list[tuple[int, tuple[str, str], tuple[str, str]]] = []
        self._stack = stack
        self._over = over
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def ended_tasks(self) -> set[str]:
        return {task_id for task_id, name in list(self.seen.values()) if name in ENDS}

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                listener = self._connect()
            except (OSError, WebSocketException, AssertionError, RuntimeError, TimeoutError):
                time.sleep(0.2)  # as clients do, before they try again
                continue
            self._listen(listener)
            listener.close()

    def _connect(self) -> Listener:
        match self.kind:
            case "socket":
                return WebSocketListener(self._stack.url, self._stack.secret, after=self.reached).open()
            case "events":
                return EventSourceListener(self._stack.url, self._stack.secret, after=self.reached, header=True).open()
        hub = HubListener(self._stack.url, self._stack.secret).open()
        hub.resume(self.reached)
        return hub

    def _listen(self, listener: Listener) -> None:
        while not self._over.is_set() and not (listener.ended.is_set() and listener.came.empty()):
            try:
                message = listener.next(0.5)
            except AssertionError:  # nothing came
                continue
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        name = HUB_TYPES.get(message["type"], message["type"])
        if name.lower() == "resync":
            self.resyncs += 1
        position = message.get("event_id") or message.get("eventId")
        if position is None or name == "task.snapshot":
            return
        task_id = message["task"]["task_id"] if "task" in message else message["taskId"]
        known = self.seen.setdefault(position, (task_id, name))
        if known != (task_id, name):  # told by the test: raised here, it would end this thread alone
            self.contradictions.append((position, known, (task_id, name)))
        if position > self.reached:
            self.reached = position


@pytest.mark.soak
def test_every_change_of_status_arrives_however_often_redis_and_daphne_die(start_stack: Callable[..., RunningStack]):
    stack = start_stack(MINIMAX_TIME_SCALE="0.05", RETRY_SECONDS="0.5", LEASE_SECONDS="5", MINIMAX_READ_SECONDS="4")
    watch_while_they_die(stack, rounds=10, tasks=50, subscribers=50)


def watch_while_they_die(stack: RunningStack, *, rounds: int, tasks: int, subscribers: int) -> None:
    chance = random.Random(20261122)
    over = threading.Event()
    kinds = itertools.cycle(["socket", "events", "hub"])
    clients = [Subscriber(stack, next(kinds), over) for _ in range(subscribers)]
    made: list[str] = []
    try:
        for _ in range(rounds):
            made += [task_id for _ in range(tasks // rounds) if (task_id := generate_when_up(stack))]
            for name in ("valkey", "web"):
                time.sleep(chance.uniform(0, 1.5))  # the random moment is the experiment
                killed = stack.kill(name)
                stack.until(lambda name=name, killed=killed: stack.pid(name) not in (None, killed))
            stack.until(stack.is_ready)
        stack.until(lambda: all(client.ended_tasks() >= set(made) for client in clients), seconds=120)
    finally:
        over.set()
        for client in clients:
            client.thread.join(timeout=20)

    assert [client.kind for client in clients if client.thread.is_alive()] == []
    told = clients[0].seen  # a plain socket: it is told of every status
    assert sorted(told) == list(range(1, max(told) + 1))
    for client in clients:
        expected = {position: what for position, what in told.items() if client.kind != "hub" or what[1] != "task.queued"}
        assert client.seen == expected, client.kind
        assert (client.resyncs, client.contradictions) == (0, []), client.kind


def generate_when_up(stack: RunningStack) -> str | None:
    with suppress(requests.RequestException):  # the web process may be starting
        return generate(stack)
    return None
