"""Of `tasks.management_api` and `tasks.pauses_api`."""

from conduit.api.openapi.operations import IF_NONE_MATCH, Answer, Body, Operation, describe, page, path_parameter, query
from conduit.api.openapi.shapes import component, constant, moment, or_null, page_of, record, text, uuid, whole, word
from conduit.api.openapi.story import tag
from keys.openapi.shapes import ID, deleted
from tasks.models import PauseKind, Status
from tasks.openapi.consumer import ETAG, NOT_MODIFIED
from tasks.openapi.shapes import OPERATORS_TASK, OPERATORS_TASK_IN_FULL, OPERATORS_TASK_LIST
from tasks.pauses_api import NewPause, PauseChange
from tasks.requests import RetrySerializer

tag("Management: tasks", "Everybody's tasks: finding, cancelling and retrying them.", order=70)
tag("Management: pauses", "What is stopped of sending, of work on files and of new work.", order=72)
TASKS, PAUSES = "Management: tasks", "Management: pauses"
path_parameter("pause_id", whole("The id of a pause.", 1))

PAGE = page(ID)
RETRY = Body(
    RetrySerializer,
    "Retry",
    {
        "expires_in": "Seconds after which the new task is cancelled unless it is done. Unset: it has all the time.",
        "webhook_url": "Where webhooks of the new task go.",
        "webhook_events": "Which of them. Unset: all but its progress.",
    },
    {"expires_in": 600},
    required=False,
)
_SEARCH = (
    query("key", whole("The id of a key.", 7)),
    query("team", whole("The id of the team that the key was in.", 3)),
    query("model", text("The name that was asked for.", "minimax-video")),
    query("status", text(f"Of {', '.join(Status.values)}: one, or several with commas.", "failed,cancelled")),
    query("stage", text("The stage.", "generating")),
    query("error", text("The `error_code`.", "provider_timeout")),
    query("created_after", text("An RFC 3339 date or moment.", "2027-01-31")),
    query("created_before", text("Another.", "2027-02-01")),
    query("provider", text("MiniMax's id of a job, a file or a call.", "275423911")),
    query("q", text("A search, as in the console.", "key:batch-eu status:active")),
    *page(uuid("The id of a task.")),
)

describe(
    "GET /v1/admin/tasks",
    Operation(
        tag=TASKS,
        summary="Find tasks",
        about="Everybody's tasks, newest first; all filters have to hold. A call looks at 5,000 tasks of one of them at most: a page may "
        "hold fewer than `limit`, even none, and still lead on.",
        query=_SEARCH,
        answers={200: Answer("A page of tasks.", OPERATORS_TASK_LIST)},
    ),
)
describe(
    "GET /v1/admin/tasks/{task_id}",
    Operation(
        tag=TASKS,
        summary="Read a task in full",
        about="One task with its newest exchanges with MiniMax, its life, its plan, its money, and its retries.",
        headers=(IF_NONE_MATCH,),
        answers={200: Answer("The task.", OPERATORS_TASK_IN_FULL, headers=ETAG), 304: NOT_MODIFIED},
        errors=("task_not_found",),
    ),
)
describe(
    "POST /v1/admin/tasks/{task_id}/cancel",
    Operation(
        tag=TASKS,
        summary="Cancel anybody's task",
        about="As its owner's cancel, at the same cost.",
        answers={200: Answer("The cancelled task.", OPERATORS_TASK)},
        errors=("task_not_found", "task_not_cancellable"),
    ),
)
describe(
    "POST /v1/admin/tasks/{task_id}/retry",
    Operation(
        tag=TASKS,
        summary="Retry anybody's task",
        about="A new task of the same key, which pays today's price within its own limits and budgets.",
        body=RETRY,
        answers={202: Answer("The new task.", OPERATORS_TASK, headers={"Location": text("Where it is.", "/v1/admin/tasks/01a2027d-…")})},
        errors=(
            *("task_not_found", "task_not_retryable", "insufficient_quota", "concurrency_limit_exceeded", "rate_limit_exceeded"),
            *("model_not_found", "model_not_allowed", "content_policy_violation"),
        ),
        is_idempotent=True,
    ),
)
describe(
    "DELETE /v1/admin/tasks/{task_id}/media",
    Operation(
        tag=TASKS,
        summary="Delete what anybody's task made",
        about="Deletes its result, its prompt and its metadata, as its owner's deletion does. Row and money stay.",
        answers={200: Answer("The task, without what was deleted.", OPERATORS_TASK)},
        errors=("task_not_found", "task_under_way"),
    ),
)

_PAUSE_ID = whole("The id of a pause.", 1)
PAUSE = component(
    "Pause",
    record(
        "What is stopped.",
        {
            "id": _PAUSE_ID,
            "object": constant("pause", "What this is."),
            "kind": word("What is stopped.", PauseKind.values),
            "model": or_null(text("Of sending: the model that waits; null: all.", "video-01")),
            "until": or_null(moment("When it ends by itself; null: when somebody ends it.")),
            "reason": or_null(text("Why, for administrators.", "MiniMax is ill")),
            "message": or_null(text("Of new work: what those who ask are told.", "Back at noon."), null=True),
            "created_at": moment("When it began."),
            "created_by": text("Who began it.", "ops"),
        },
    ),
)
_WORDS = {
    "kind": "`sending`: new jobs at MiniMax; `media`: work on files; `new_work`: creates and retries.",
    "model": "Of sending alone: the model that waits, under all its names. Unset: all.",
    "until": "When it ends by itself. Unset: when somebody ends it.",
    "reason": "Why, for administrators.",
    "message": "Of new work alone: what those who ask are told.",
}
_EXAMPLE = {"kind": "sending", "model": "video-01", "until": "2027-01-31T12:00:00Z", "reason": "MiniMax is ill"}

describe(
    "GET /v1/admin/pauses",
    Operation(
        tag=PAUSES,
        summary="List pauses",
        about="What is stopped now, newest first.",
        query=PAGE,
        answers={200: Answer("A page of pauses.", component("PauseList", page_of(PAUSE, "Pauses, newest first.", id_shape=_PAUSE_ID)))},
    ),
)
describe(
    "POST /v1/admin/pauses",
    Operation(
        tag=PAUSES,
        summary="Stop something",
        about="Takes hold at once. Time limits of tasks stand still meanwhile.",
        body=Body(NewPause, "NewPause", _WORDS, _EXAMPLE),
        answers={201: Answer("The pause.", PAUSE, headers={"Location": text("Where it is.", "/v1/admin/pauses/1")})},
        errors=("conflict", "model_not_found"),
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/admin/pauses/{pause_id}",
    Operation(tag=PAUSES, summary="Read a pause", about="One pause.", answers={200: Answer("The pause.", PAUSE)}, errors=("not_found",)),
)
describe(
    "PATCH /v1/admin/pauses/{pause_id}",
    Operation(
        tag=PAUSES,
        summary="Change a pause",
        about="Its end and its words; what is left out stays.",
        body=Body(PauseChange, "PauseChange", _WORDS, {"until": None, "reason": "MiniMax is still ill"}),
        answers={200: Answer("The pause as it is now.", PAUSE)},
        errors=("not_found", "conflict"),
    ),
)
describe(
    "DELETE /v1/admin/pauses/{pause_id}",
    Operation(
        tag=PAUSES,
        summary="Resume",
        about="What waited goes on within seconds.",
        answers={
            200: Answer("What was ended.", deleted("pause")),
        },
        errors=("not_found",),
    ),
)
