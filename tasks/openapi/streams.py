"""Of `tasks.realtime`: event streams as calls, the hub and WebSockets in words, and what all of them tell as shapes."""

from conduit.api.openapi.operations import Answer, Operation, describe, header, query
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import component, constant, record, ref, text, whole, word
from conduit.api.openapi.story import section, tag
from tasks.openapi.shapes import TASK
from tasks.realtime.websocket import UpgradeRequired

problem(
    UpgradeRequired,
    "A plain request to the path of a WebSocket.",
    "This path is a WebSocket: connect to it with ws:// or wss://. `GET /v1/events` tells the same over plain HTTP.",
)
tag("Real time", "Being told instead of asking.", order=30)

_TYPES = ("task.snapshot", "task.queued", "task.started", "task.progress", "task.completed", "task.failed", "task.cancelled")
component(
    "StreamEvent",
    record(
        "What WebSockets and event streams tell: of server-sent events the `data`, with `type` as `event:` and `event_id` as `id:`.",
        {
            "type": word("What happened.", _TYPES, "task.started"),
            "event_id": whole("Its place in the key's history; progress, which is not stored, has none.", 42),
            "task": TASK,
        },
        optional=("event_id",),
    ),
)
component(
    "Resync",
    record(
        "The place that you asked to go on from is not kept: read your tasks anew, and go on from this one.",
        {"type": constant("resync", "What this is."), "event_id": whole("Where to go on.", 42)},
    ),
)
component(
    "StreamError",
    record(
        "The last frame of a WebSocket, or event of a stream, that is ended for a reason; then it closes with 4000 + the HTTP status.",
        {"type": constant("error", "What this is."), "error": ref("Error") | {"description": "As a call would be answered."}},
    ),
)

section(
    "Real time",
    """
The same events go out three ways, each with the key as `Authorization: Bearer`, `X-API-Key` or, for browsers that cannot send headers,
`?access_token=`.

| address | speaks |
|---|---|
| `/hubs/video-generation` | SignalR: WebSocket, server-sent events or long polling, JSON or MessagePack |
| `/ws/tasks`, `/ws/tasks/{id}` | WebSocket, JSON in text frames (`?after=EVENT_ID`) |
| `GET /v1/events`, `GET /v1/tasks/{id}/events` | server-sent events |

**The hub** takes Microsoft's clients as they are: `withUrl(url, {accessTokenFactory})`. Connecting is enough: each event of each task of
the key comes as one camelCase object.

| event | object |
|---|---|
| `VideoGenerationStarted` | `HubStarted` |
| `VideoGenerationProgress` | `HubProgress`, not stored and without `eventId` |
| `VideoGenerationCompleted` | `HubCompleted` |
| `VideoGenerationFailed` | `HubFailed` |
| `VideoGenerationCancelled` | `HubCancelled` |
| `Resync` | `{eventId}`: read your tasks anew, and go on from there |

Clients may invoke `SubscribeToTask(taskId)`, which answers the task in camelCase and leaves this connection with the tasks that it
subscribed to alone; `UnsubscribeFromTask(taskId)`, after the last of which everything comes again; and `Resume(lastEventId)`, which sends
what came after it. A task that the key has not is a `HubException`.

**WebSockets and event streams** begin with a `task.snapshot` of each task under way, and then tell a `StreamEvent` for each change. The
stream of one task ends with it. `{"type": "ping"}` on a WebSocket is answered.

**Missing nothing.** Each change of status is stored, and its id is a position in the key's history: say the last one that you have seen
(`Resume`, `?after=`, `Last-Event-ID`, `?lastEventId=`), and you are told what came after, in order. Events may come twice then: drop ids
that you have seen. What is older than what is kept is answered with `Resync`.

| a stream ends with | because |
|---|---|
| 1000; a plain stream just ends, and is 204 once its end was seen | the task is over |
| 1012; on the hub `Close` with `allowReconnect`; a plain stream just ends | the server stops: connect again at once, and resume |
| 4000 + an HTTP status, after a `StreamError` | as a call with that status: 4401, 4403, 4404, 4408 (you read too slowly), 4429, 4503 |
""",
    order=5,
)

_EVENTS = "text/event-stream"
_EXAMPLE = 'event: task.progress\ndata: {"type":"task.progress","task":{"task_id":"01a2027d-…","status":"processing","progress":17}}\n\n'
_STREAM = text("Server-sent events, each with a `StreamEvent`, a `Resync` or a `StreamError` as its data.", _EXAMPLE)
_WHERE = (
    query("after", whole("The id of the last event that was seen: what came after it is told.", 42, minimum=0)),
    query("lastEventId", whole("The same, for clients that cannot send `Last-Event-ID`.", 42, minimum=0)),
)
_LAST = (header("Last-Event-ID", text("The same, as `EventSource` sends it by itself.", "42")),)
_HEADERS = {"Cache-Control": text("A stream is kept by nobody.", "private, no-store"), "X-Accel-Buffering": text("For proxies.", "no")}

describe(
    "GET /v1/events",
    Operation(
        tag="Real time",
        summary="Stream the key's events",
        about="Every event of every task of the key, as server-sent events.",
        query=_WHERE,
        headers=_LAST,
        answers={200: Answer("The stream.", _STREAM, kind=_EVENTS, headers=_HEADERS)},
    ),
)
describe(
    "GET /v1/tasks/{task_id}/events",
    Operation(
        tag="Real time",
        summary="Stream a task's events",
        about="Every event of one task, until it is over.",
        query=_WHERE,
        headers=_LAST,
        answers={
            200: Answer("The stream.", _STREAM, kind=_EVENTS, headers=_HEADERS),
            204: Answer("The task is over, and you have seen its end: do not come back."),
        },
        errors=("task_not_found",),
    ),
)
