"""A task as calls answer it. What a kind of task has of its own is said by that kind's room."""

from collections.abc import Collection, Mapping

from conduit.api.errors import Conflict, NotFound
from conduit.api.openapi.operations import path_parameter
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import (
    Shape,
    component,
    constant,
    currency,
    factor,
    moment,
    named,
    or_null,
    page_of,
    record,
    text,
    usd,
    uuid,
    whole,
    word,
)
from tasks import models
from tasks.models import MODEL_CHARACTERS, Status

problem(
    NotFound,
    "The key has no task of that id; another key's is none.",
    "This key has no task of that id.",
    code="task_not_found",
    param="task_id",
)
problem(
    Conflict,
    "The task is completed or failed.",
    "This task is completed: only one that is queued or processing can be cancelled.",
    code="task_not_cancellable",
)
problem(
    Conflict,
    "The task has not failed, or what it asked for was deleted.",
    "This task is completed: only a failed one, or one that its deadline ended, can be retried.",
    code="task_not_retryable",
)
problem(
    Conflict,
    "The task is queued or processing.",
    "This task is under way: cancel it first, or wait until it has ended.",
    code="task_under_way",
)

path_parameter("task_id", text("The id of a task.", "01a2027d-7f6f-727a-814e-4a2215e8a6bc"))

_of_kinds: dict[str, Shape] = {}
_kinds: list[str] = []
_stages: list[str] = ["queued"]
_codes: list[str] = [models.DEADLINE_EXCEEDED]
_waits: list[str] = [models.OWN_LIMIT, models.FAIR_SHARE, models.RATE, models.MEDIA]
_for_operators: dict[str, Shape] = {}
_details: dict[str, Shape] = {}


def kind_of_task(
    name: str,
    fields: Mapping[str, Shape],
    *,
    stages: Collection[str],
    waits: Collection[str],
    error_codes: Collection[str],
    for_operators: Mapping[str, Shape],
    details: Mapping[str, Shape],
) -> None:
    """Say what tasks of a kind have of their own: fields, stages, what they wait for, and why they fail."""
    _kinds.append(name)
    _of_kinds.update(fields)
    _for_operators.update(for_operators)
    _details.update(details)
    for known, more in ((_stages, stages), (_waits, waits), (_codes, error_codes)):
        known += [str(one) for one in more if str(one) not in known]


COST = component(
    "Cost",
    record(
        "What a task costs.",
        {
            "estimated": usd("Its price, fixed when it was created."),
            "held": or_null(usd("Held for it right now; null in an estimate.")),
            "charged": or_null(usd("Charged for it; null until that is known."), null=True),
            "currency": currency(),
        },
    ),
)


def _fields() -> dict[str, Shape]:
    return {
        "task_id": uuid("Its id, which sorts by time."),
        "object": constant("task", "What this is."),
        "type": word("What kind of task it is.", _kinds),
        "status": word("How it stands; the last three are final.", Status.values),
        "progress": whole("0 to 100; it never goes back, and is 100 only when completed. An estimate.", 0, minimum=0, maximum=100),
        "stage": word("What happens right now.", _stages),
        "waiting_for": or_null(
            word("What it waits for, in a word for programs; null: for nothing, or it is being made.", _waits), null=True
        ),
        "queue_position": or_null(whole("Its place in the line that it stands in, from 1. It never rises.", 3, minimum=1), null=True),
        "eta_seconds": or_null(whole("Seconds until it is probably done; null: not known, or it has ended.", 95, minimum=0)),
        "model": text("The model that was asked for.", "minimax-video", maxLength=MODEL_CHARACTERS),
        **_of_kinds,
        "created_at": moment("When it was created."),
        "updated_at": moment("When its status or its stage last changed."),
        "started_at": or_null(moment("When its making began."), null=True),
        "completed_at": or_null(moment("When it was completed."), null=True),
        "expires_at": or_null(
            moment("When its result or its prompt is deleted, whichever is first; null: never, or not known yet."), null=True
        ),
        "error": or_null(
            text("Why it failed, for people.", "The video provider did not finish the video within the time limit."), null=True
        ),
        "error_code": or_null(
            word("Why it failed, for programs; of a cancelled task that its deadline ended, `deadline_exceeded`.", _codes), null=True
        ),
        "retry_of": or_null(uuid("The failed task that this one does again."), null=True),
        "cost": COST,
        "metadata": named("What was sent along with it.", text("A short string.", "12"), {"shot": "12"}),
    }


TASK = component("Task", lambda: record("A task.", _fields()))
TASK_LIST = component("TaskList", page_of(TASK, "Tasks, newest first.", id_shape=uuid("The id of a task.")))


def _operators_fields() -> dict[str, Shape]:
    return _fields() | {
        "key": record("Whose it is.", {"id": whole("The key's id.", 7), "name": text("Its name.", "cutting room")}),
        "team": or_null(
            record(
                "The team that the key was in.",
                {"id": whole("The team's id.", 3), "name": or_null(text("Its name; null: it was deleted.", "Films"))},
            ),
            null=True,
        ),
        "price_factor": factor("The multiple of the list price that it costs."),
        "last_error_code": or_null(text("What its step was last refused for.", "rate_limit"), null=True),
        "attempts": whole("Times that the step at hand was begun without getting on.", 0),
        "deadline_at": or_null(moment("When it is cancelled unless it is done."), null=True),
        "next_step_at": or_null(moment("When its next step is due; null: it has ended.")),
        **_for_operators,
    }


OPERATORS_TASK = component("OperatorsTask", lambda: record("A task, for those who run the place.", _operators_fields()))
OPERATORS_TASK_IN_FULL = component(
    "OperatorsTaskInFull", lambda: record("A task with all that became of it.", _operators_fields() | _details, optional=tuple(_details))
)
OPERATORS_TASK_LIST = component(
    "OperatorsTaskList", page_of(OPERATORS_TASK, "Everybody's tasks, newest first.", id_shape=uuid("The id of a task."))
)
