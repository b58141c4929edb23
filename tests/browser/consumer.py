"""The page of a consumer, as tests drive it (site/consumer.js)."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from tests.support.running import RunningStack

SECONDS, RESOLUTION = 1, "720x480"
# How fast a test watches a video, every picture of it.
PLAYBACK_RATE = 4


@dataclass(frozen=True)
class Wire:
    """How Microsoft's client comes to a transport by itself: browsers that lack the better ones."""

    transport: str
    protocol: str = "json"

    @property
    def lacking(self) -> list[str]:
        return {"websocket": [], "eventsource": ["WebSocket"], "fetch": ["WebSocket", "EventSource"]}[self.transport]

    @property
    def name(self) -> str:
        return f"{self.transport}-{self.protocol}"


# Server-sent events are text: MessagePack does not go over them.
WIRES = [Wire("websocket"), Wire("websocket", "messagepack"), Wire("eventsource"), Wire("fetch"), Wire("fetch", "messagepack")]
TEXT_WIRES = [wire for wire in WIRES if wire.protocol == "json"]


class Consumer:
    """Somebody's page that is open. Streams have names; what they were told is read by name."""

    def __init__(self, page: Page, stack: RunningStack) -> None:
        self.page = page
        self.used: set[str] = set()  # how the browser listened to the hub
        self._access = {"api": stack.url, "key": stack.secret}
        page.on("websocket", lambda socket: self._note(socket.url, "websocket"))
        page.on("request", lambda request: request.method == "GET" and self._note(request.url, request.resource_type))

    # ---- REST

    def call(self, method: str, path: str, body: object = None, **access: str) -> dict[str, Any]:
        """Status, readable headers and body, as the page sees them."""
        given = self._access | access
        return self.page.evaluate("([given, ...rest]) => call(given.api, given.key, ...rest)", [given, method, path, body])

    def generate(self, prompt: str = "a paper boat") -> str:
        wanted = {"model": "minimax-video", "prompt": prompt, "duration": SECONDS, "resolution": RESOLUTION}
        answer = self.call("POST", "/v1/video/generations", wanted)
        assert (answer["status"], answer["headers"]["location"]) == (202, f"/v1/tasks/{answer['body']['task_id']}")
        return answer["body"]["task_id"]

    # ---- Streams

    def open_hub(self, name: str, wire: Wire, *, reconnects: bool = False, **access: str) -> None:
        """Raises playwright's Error with the client's own words when it does not connect."""
        options = {"lacking": wire.lacking, "protocol": wire.protocol, "reconnects": reconnects}
        self._open("openHub", name, options | access)

    def open_event_source(self, name: str, **options: object) -> None:
        self._open("openEventSource", name, options)

    def open_socket(self, name: str, **options: object) -> None:
        self._open("openSocket", name, options)

    def invoke(self, name: str, method: str, *arguments: object) -> Any:
        return self.page.evaluate("([name, method, ...rest]) => invoke(name, method, ...rest)", [name, method, *arguments])

    def close(self, name: str) -> None:
        self.page.evaluate("(name) => streams[name].close()", name)

    def seen(self, name: str) -> list[dict[str, Any]]:
        """Everything that the stream was told so far."""
        return self.page.evaluate("(name) => streams[name].seen", name)

    def until_told(self, name: str, kind: str, task_id: str) -> list[dict[str, Any]]:
        """Wait for that event of that task; everything that the stream was told of the task up to then."""
        mine = "(event) => (event.taskId ?? event.task?.task_id) === id"
        self.page.wait_for_function(
            f"([name, kind, id]) => streams[name].seen.filter({mine}).some((event) => event.type === kind)", arg=[name, kind, task_id]
        )
        return self.page.evaluate(f"([name, id]) => streams[name].seen.filter({mine})", [name, task_id])

    def until_ended(self, name: str) -> dict[str, Any]:
        """Wait for the stream's end; how it ended."""
        return self.page.wait_for_function("(name) => streams[name].ended", arg=name).json_value()

    def until_reconnected(self, name: str) -> None:
        self.page.wait_for_function("(name) => streams[name].reconnects > 0", arg=name)

    # ---- What people look at

    def watch(self, video_url: str, thumbnail_url: str) -> dict[str, Any]:
        """Play the video to its end beside its thumbnail; what there was to see."""
        self.page.evaluate("([video, thumbnail, rate]) => show(video, thumbnail, rate)", [video_url, thumbnail_url, PLAYBACK_RATE])
        self.page.wait_for_function("hasPlayed()")
        self.page.wait_for_function("document.querySelector('img').complete")
        return self.page.evaluate("shown()")

    def seek(self, seconds: float) -> float:
        return self.page.evaluate("(seconds) => seek(seconds)", seconds)

    def _open(self, function: str, name: str, options: dict[str, Any]) -> None:
        self.page.evaluate(f"([name, options]) => {function}(name, options)", [name, self._access | options])

    def _note(self, url: str, kind: str) -> None:
        if "/hubs/video-generation?" in url:
            self.used.add(kind)
