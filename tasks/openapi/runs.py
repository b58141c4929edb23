"""Of `tasks.runs_api`."""

from conduit.api.openapi.operations import Answer, Body, Operation, describe, path_parameter
from conduit.api.openapi.shapes import component, constant, flag, listed, moment, or_null, page_of, record, text, usd, uuid, whole, word
from conduit.api.openapi.story import tag
from tasks.openapi.management import PAGE
from tasks.run_models import Action, RunOutcome, RunState
from tasks.runs_api import NewRun

TAG = "Management: many tasks"
tag(TAG, "The same done to many tasks, in the background.", order=71)
path_parameter("run_id", whole("The id of a run.", 4))

_ID = whole("The id of a run.", 4)
RUN = component(
    "Run",
    record(
        "One action on many tasks.",
        {
            "id": _ID,
            "object": constant("run", "What this is."),
            "action": word("What is done.", Action.values),
            "q": or_null(text("The search whose tasks it is done to.", "key:batch-eu status:active")),
            "task_ids": or_null(listed("Or those that were chosen.", uuid("A task.")), null=True),
            "state": word("How it stands.", RunState.values),
            "expected": record(
                "What was expected when it began.",
                {
                    "tasks": whole("Tasks.", 312),
                    "usd": usd("Given back, or held.", "62.4000"),
                    "at_least": flag("Whether both are at least so many.", False),
                },
            ),
            "done": whole("Tasks to which it was done.", 300),
            "unchanged": whole("Tasks that were left as they were.", 10),
            "refused": whole("Tasks of which it was refused.", 2),
            "created_at": moment("When it began."),
            "created_by": text("Who began it.", "ops"),
            "ended_at": or_null(moment("When it ended."), null=True),
            "stopped_by": or_null(text("Who stopped it.", "ops"), null=True),
            "stopped_why": or_null(text("Why it stopped, where nobody stopped it.", "Who began it may no longer do this."), null=True),
        },
    ),
)
_OUTCOME_ID = whole("The id of an outcome.", 90)
OUTCOME = component(
    "RunOutcome",
    record(
        "What became of one task.",
        {
            "id": _OUTCOME_ID,
            "object": constant("run_outcome", "What this is."),
            "task_id": uuid("The task."),
            "outcome": word("What became of it.", RunOutcome.Outcome.values),
            "detail": or_null(text("Why, in a sentence.", "This task is completed."), null=True),
            "retried_as": or_null(uuid("The new task of a retry."), null=True),
            "created_at": moment("When."),
        },
    ),
)
_WORDS = {"q": "A search of tasks, as in the console: all that it finds.", "task_ids": "Or the ids of up to 1,000 tasks."}
_LOCATION = {"Location": text("Where it is.", "/v1/admin/runs/4")}

for action, verb in (("cancel", "Cancel"), ("retry", "Retry")):
    describe(
        f"POST /v1/admin/tasks/{action}",
        Operation(
            tag=TAG,
            summary=f"{verb} many tasks",
            about=f"Begins a run that does to each what `POST /v1/admin/tasks/{{task_id}}/{action}` does. Give `q` or `task_ids`.",
            body=Body(NewRun, "NewRun", _WORDS, {"q": "key:batch-eu status:active"}),
            answers={202: Answer("The run.", RUN, headers=_LOCATION)},
            is_idempotent=True,
        ),
    )
describe(
    "DELETE /v1/admin/keys/{key_id}/media",
    Operation(
        tag=TAG,
        summary="Delete what a key's tasks made",
        about="Begins a run that deletes the results, prompts and metadata of all tasks of the key that have ended by then.",
        answers={202: Answer("The run.", RUN, headers=_LOCATION)},
        errors=("not_found",),
    ),
)
describe(
    "GET /v1/admin/runs",
    Operation(
        tag=TAG,
        summary="List runs",
        about="Runs of the last 90 days, newest first.",
        query=PAGE,
        answers={200: Answer("A page of runs.", component("RunList", page_of(RUN, "Runs, newest first.", id_shape=_ID)))},
    ),
)
describe(
    "GET /v1/admin/runs/{run_id}",
    Operation(tag=TAG, summary="Read a run", about="How far it is.", answers={200: Answer("The run.", RUN)}, errors=("not_found",)),
)
describe(
    "GET /v1/admin/runs/{run_id}/outcomes",
    Operation(
        tag=TAG,
        summary="List what became of each task",
        about="The run's outcomes, newest first.",
        query=PAGE,
        answers={
            200: Answer(
                "A page of outcomes.", component("RunOutcomeList", page_of(OUTCOME, "Outcomes, newest first.", id_shape=_OUTCOME_ID))
            )
        },
        errors=("not_found",),
    ),
)
describe(
    "POST /v1/admin/runs/{run_id}/stop",
    Operation(
        tag=TAG,
        summary="Stop a run",
        about="What was done stays done. One that has ended stays as it is.",
        answers={200: Answer("The run as it is now.", RUN)},
        errors=("not_found",),
    ),
)
