"""Of `tasks.views`."""

from dataclasses import replace

from conduit.api.openapi.operations import IF_NONE_MATCH, Answer, Operation, Parameter, describe, header, page, query
from conduit.api.openapi.shapes import text, uuid
from conduit.api.openapi.story import tag
from tasks.models import Status
from tasks.openapi.shapes import TASK, TASK_LIST

tag("Tasks", "Reading, listing and cancelling what was asked for.", order=20)

ETAG = {"ETag": text("Which version this is.", '"5f2b9c1e7d3a"'), "Cache-Control": text("Whether it may be kept.", "private, no-cache")}
NOT_MODIFIED = Answer("It is still what you have.", headers=ETAG)
PREFER = header(
    "Prefer",
    text("`wait=N`: the answer waits for the task's end, N seconds and 60 at most. `Preference-Applied` says that it did.", "wait=30"),
)
APPLIED = {"Preference-Applied": text("That the answer waited, where it did.", "wait=30")}

FILTERS: tuple[Parameter, ...] = (
    query(
        "status",
        text(f"Of {', '.join(Status.values)}: one, or several with commas or given several times.", "queued,processing"),
    ),
    query("model", text("The name that was asked for.", "minimax-video")),
    query("created_after", text("An RFC 3339 date or moment: those that were created after it.", "2027-01-31T12:00:00Z")),
    query("created_before", text("Those that were created before it.", "2027-02-01")),
    query(
        "metadata",
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "maxProperties": 16,
            "description": "`metadata[NAME]=VALUE`: those whose metadata has that value under that name; all names have to fit.",
            "examples": [{"shot": "12"}],
        },
        style="deepObject",
        explode=True,
    ),
    *page(uuid("The id of a task.")),
)

_LIST = Operation(
    tag="Tasks",
    summary="List tasks",
    about="The key's tasks, newest first. A page that is filtered may hold fewer than `limit`, even none, and still lead on.",
    query=FILTERS,
    answers={200: Answer("A page of tasks.", TASK_LIST)},
)
_READ = Operation(
    tag="Tasks",
    summary="Read a task",
    about="The task as it is now, with fresh links to its result. To be told instead of asking, see *Real time*.",
    headers=(IF_NONE_MATCH, PREFER),
    answers={200: Answer("The task.", TASK, headers=ETAG | APPLIED), 304: NOT_MODIFIED},
    errors=("task_not_found",),
)
_CANCEL = Operation(
    tag="Tasks",
    summary="Cancel a task",
    about="Ends a task that is queued or processing; again is fine. `cost.charged` says what it costs: the share of its price that was "
    "already sent to MiniMax.",
    answers={200: Answer("The cancelled task.", TASK)},
    errors=("task_not_found", "task_not_cancellable"),
)

describe("GET /v1/tasks", _LIST)
describe("GET /v1/tasks/{task_id}", _READ)
describe("POST /v1/tasks/{task_id}/cancel", _CANCEL)
describe("GET /v1/video/generations", replace(_LIST, summary="List video generations", tag="Videos"))
describe("GET /v1/video/generations/{task_id}", replace(_READ, summary="Read a video generation", tag="Videos"))
describe("DELETE /v1/video/generations/{task_id}", replace(_CANCEL, summary="Cancel a video generation", tag="Videos"))
