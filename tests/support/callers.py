"""Callers of the API who note how each of their requests ended, and a probe that notes when PostgreSQL was away."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import requests

# Between two requests of one caller, in seconds.
READ_PAUSE, CREATE_PAUSE, RETRY_PAUSE, PROBE_PAUSE = 0.1, 3.0, 0.3, 0.05
ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """One request: when it was under way (by the monotonic clock), and the status of its answer or the error in its place."""

    began: float
    ended: float
    what: str
    how: int | str

    @property
    def is_good(self) -> bool:
        return self.how in (200, 202)


class Caller:
    """A consumer with a connection that is kept; what it does again and again is `_call`, in a thread of its own."""

    def __init__(self, url: str, secret: str) -> None:
        self.outcomes: list[Outcome] = []
        self._url = url
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {secret}"

    def trust(self, authority: Path) -> None:
        """Take certificates that this one signed."""
        self._http.verify = str(authority)

    def call(self, method: str, path: str, **options: object) -> requests.Response | None:
        """The answer, or None when there was none."""
        began, answer = time.monotonic(), None
        try:
            answer = self._http.request(method, self._url + path, timeout=ANSWER_SECONDS, **options)  # type: ignore[arg-type]
            how: int | str = answer.status_code
        except requests.RequestException as error:
            how = repr(error)
        self.outcomes.append(Outcome(began, time.monotonic(), f"{method} {path}", how))
        return answer

    def go_on(self, over: threading.Event) -> None:
        raise NotImplementedError


class Reader(Caller):
    def __init__(self, url: str, secret: str, known: Callable[[], Sequence[str]]) -> None:
        super().__init__(url, secret)
        self._known = known

    def go_on(self, over: threading.Event) -> None:
        for number in itertools.count():
            known = self._known()
            paths = ["/v1/tasks?limit=5", "/v1/models", "/v1/key"] + ([f"/v1/tasks/{known[-1 - number % len(known)]}"] if known else [])
            self.call("GET", paths[number % len(paths)])
            if over.wait(READ_PAUSE):
                return


class Creator(Caller):
    """Makes tasks, each until it is made: with the same Idempotency-Key after an answer that was none. `made`: task ids by prompt."""

    def __init__(self, url: str, secret: str, name: str) -> None:
        super().__init__(url, secret)
        self.made: dict[str, str] = {}
        self._name = name

    def go_on(self, over: threading.Event) -> None:
        for number in itertools.count():
            prompt = f"{self._name} makes {number}"
            while not (task_id := self._create(prompt)):
                time.sleep(RETRY_PAUSE)
            self.made[prompt] = task_id
            if over.wait(CREATE_PAUSE):
                return

    def _create(self, prompt: str) -> str | None:
        key = str(uuid.uuid5(uuid.NAMESPACE_OID, prompt))
        small = {"model": "minimax-video", "prompt": prompt, "duration": 1, "resolution": "720x480"}
        answer = self.call("POST", "/v1/video/generations", json=small, headers={"Idempotency-Key": key})
        return answer.json()["task_id"] if answer is not None and answer.status_code == 202 else None


class Probe:
    """Asks PostgreSQL itself, over connections of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._tries: list[tuple[float, float, bool]] = []

    def go_on(self, over: threading.Event) -> None:
        while not over.wait(PROBE_PAUSE):
            began = time.monotonic()
            answered = self._answers()
            self._tries.append((began, time.monotonic(), answered))

    def outages(self) -> list[tuple[float, float]]:
        """From the last answer before it was away to the first after it, by the monotonic clock."""
        found, last, away = [], self._tries[0][0], False
        for began, ended, answered in self._tries:
            if answered and away:
                found.append((last, ended))
            if answered:
                last = began
            away = not answered
        assert not away, "PostgreSQL is still away"
        return found

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def busy(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """All of them at work, each in a thread, until the context ends. AssertionError when one has failed or does not end."""
    over, failures = threading.Event(), []

    def run(work: Callable[[threading.Event], None]) -> None:
        try:
            work(over)
        except Exception as error:  # noqa: BLE001 - raised where the test sees it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=ANSWER_SECONDS + 10)
    assert (failures, [thread.name for thread in threads if thread.is_alive()]) == ([], [])
