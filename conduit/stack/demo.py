"""One video through the public API, as any client would make it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from conduit.stack.errors import DemoFailed
from conduit.stack.files import private_folder
from conduit.stack.progress_bar import ProgressBar
from conduit.stack.stack import Stack

PROMPT = "A paper boat sails down a rainy street at dusk, neon lights in the puddles, slow tracking shot"
POLL_SECONDS = 0.5
# The web process may be starting again; longer than this is a fault.
SILENCE_SECONDS = 60.0
# Of the token with which the playground opens: as long as one may live, and enough to play with.
TOKEN_SECONDS, TOKEN_TASKS, TOKEN_USD = 3600, 50, "20.00"


@dataclass(frozen=True)
class Video:
    video: Path
    thumbnail: Path
    result: Mapping[str, Any]

    @property
    def facts(self) -> str:
        shown = self.result
        seconds, fps = round(shown["duration"], 2), round(shown["fps"], 2)
        return f"{seconds:g} s, {shown['width']}x{shown['height']}, {fps:g} fps, {shown['size_bytes'] / 1e6:.1f} MB"

    @property
    def made_of(self) -> str:
        """What the model made natively."""
        source = self.result["source"]
        clips = f"{source['clips']} clips" if source["clips"] > 1 else "1 clip"
        slower = f", played at {source['speed']:.3g} of their speed" if source["speed"] < 1 else ""
        return f"{clips} of {source['model']}, {source['width']}x{source['height']}, {source['fps']:g} fps{slower}"


def wanted(environment: Mapping[str, str]) -> dict[str, str]:
    """The request's body from PROMPT, DURATION and RESOLUTION. They are sent as they are: the API judges them."""
    body = {"model": "minimax-video", "prompt": environment.get("PROMPT") or PROMPT}
    for field, name in (("duration", "DURATION"), ("resolution", "RESOLUTION")):
        if environment.get(name):
            body[field] = environment[name]
    return body


class Demo:
    """`public_url` is where the links of a result start; they are fetched from the stack itself, which it may not name."""

    def __init__(self, stack: Stack, *, secret: str, public_url: str) -> None:
        self._stack = stack
        self._public_url = public_url
        self._authorization = {"Authorization": f"Bearer {secret}"}

    def generate(self, body: Mapping[str, str], bar: ProgressBar) -> Video:
        """Post, follow, save. DemoFailed with the API's own words when it refuses, or when the task does not complete."""
        task = self._answer(self._stack.request("POST", "/v1/video/generations", timeout=30, headers=self._authorization, json=dict(body)))
        try:
            task = self._follow(task, bar)
        finally:
            bar.end()
        if task["status"] != "completed":
            raise DemoFailed(
                f"The task {task['task_id']} is {task['status']}: {task['error'] or 'no video was made'} ({task['error_code']})"
            )
        return self._save(task)

    def playground_token(self) -> str:
        """A client token for a browser, which makes a few more videos."""
        asked = {"expires_in": TOKEN_SECONDS, "create": {"tasks": TOKEN_TASKS, "usd": TOKEN_USD}}
        answer = self._stack.request("POST", "/v1/client_tokens", timeout=30, headers=self._authorization, json=asked)
        return str(self._answer(answer)["token"])

    def _follow(self, task: dict[str, Any], bar: ProgressBar) -> dict[str, Any]:
        heard = time.monotonic()
        while True:
            bar.show(progress=task["progress"], stage=task["stage"], eta_seconds=task["eta_seconds"])
            if task["status"] not in ("queued", "processing"):
                return task
            self._stack.pause(POLL_SECONDS)
            try:
                response = self._stack.request("GET", f"/v1/tasks/{task['task_id']}", timeout=10, headers=self._authorization)
            except requests.RequestException as error:
                if time.monotonic() - heard > SILENCE_SECONDS:
                    raise DemoFailed(f"The API no longer answers: {error}") from error
                continue
            task, heard = self._answer(response), time.monotonic()

    def _save(self, task: Mapping[str, Any]) -> Video:
        folder, result = private_folder(self._stack.home / "demo"), task["result"]
        video, thumbnail = (folder / f"{task['task_id']}.{ending}" for ending in ("mp4", "jpg"))
        self._download(result["video_url"], video)
        self._download(result["thumbnail_url"], thumbnail)
        return Video(video=video, thumbnail=thumbnail, result=result)

    def _download(self, url: str, path: Path) -> None:
        response = self._stack.request("GET", url.removeprefix(self._public_url), timeout=60)
        if response.is_redirect:  # to the object storage that holds it
            response = requests.get(response.headers["Location"], timeout=60)
        if response.status_code != 200:
            raise DemoFailed(f"{path.name} could not be fetched: the answer is {response.status_code}")
        path.write_bytes(response.content)

    @staticmethod
    def _answer(response: requests.Response) -> dict[str, Any]:
        try:
            body = response.json()
            if response.ok:
                return dict(body)
            reason = body["error"]["message"]
        except (ValueError, KeyError, TypeError):
            reason = f"the API answers {response.status_code}, not as its contract says"
        raise DemoFailed(f"The API refuses: {reason}")
