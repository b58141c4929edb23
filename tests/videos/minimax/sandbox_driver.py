"""Drives a MiniMax sandbox over the loopback as a client would, on a clock that the test moves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from videos.minimax.sandbox import Sandbox

KEY = "sandbox"
BEARER = {"Authorization": f"Bearer {KEY}"}
# A video-01 job takes 160 s, give or take 5 %: after this it has ended.
LONG_ENOUGH = 200.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


class Driver:
    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.http = requests.Session()

    def post(self, **fields: Any) -> requests.Response:
        return self.http.post(f"{self.sandbox.url}/v1/video_generation", json=fields, headers=BEARER, timeout=60)

    def create(self, prompt: str, model: str = "video-01", **fields: Any) -> Any:
        return self.post(model=model, prompt=prompt, **fields).json()

    def accepted(self, prompt: str, **fields: Any) -> str:
        answer = self.create(prompt, **fields)
        assert answer["base_resp"]["status_code"] == 0, answer
        return str(answer["task_id"])

    def ended(self, prompt: str, **fields: Any) -> Any:
        """The last query of a new job, its time being over."""
        task_id = self.accepted(prompt, **fields)
        self.clock.move(LONG_ENOUGH)
        return self.query(task_id)

    def get(self, path: str, **parameters: Any) -> requests.Response:
        return self.http.get(f"{self.sandbox.url}{path}", params=parameters, headers=BEARER, timeout=60)

    def query(self, task_id: Any) -> Any:
        return self.get("/v1/query/video_generation", task_id=task_id).json()

    def retrieve(self, file_id: Any) -> Any:
        return self.get("/v1/files/retrieve", file_id=file_id).json()

    def link(self, prompt: str, **fields: Any) -> str:
        return str(self.retrieve(self.ended(prompt, **fields)["file_id"])["file"]["download_url"])

    def download(self, link: str) -> requests.Response:
        return self.http.get(link, timeout=60)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what another thread is about to do."""
    latest = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.005)


@contextmanager
def driven(home: Path, *, clock: Clock | None = None, **options: Any) -> Iterator[Driver]:
    clock = clock or Clock()
    with Sandbox(home, **{"api_key": KEY, "time_scale": 1.0, "clip_scale": 8, "clock": clock} | options) as sandbox:
        driver = Driver(sandbox, clock)
        try:
            yield driver
        finally:
            driver.http.close()
