"""Of `videos.lost_orders.api`."""

from conduit.api.errors import Conflict
from conduit.api.openapi.operations import Answer, Body, Operation, describe
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import component, constant, currency, moment, or_null, page_of, record, text, usd, uuid, whole, word
from conduit.api.openapi.story import tag
from tasks.openapi.management import PAGE
from tasks.openapi.shapes import OPERATORS_TASK
from videos.lost_orders.api import DecisionFields

TAG = "Management: lost orders"
tag(TAG, "Orders to MiniMax whose answer was lost: whether it took them is being found out, or they may have been billed.", order=74)

problem(
    Conflict,
    "No order of this task is lost, or it became known what became of it.",
    "There is no order of this task whose answer was lost.",
    code="nothing_to_reconcile",
)
problem(
    Conflict,
    "MiniMax could not be asked for the job.",
    "MiniMax could not be asked for that job. The video provider cannot be reached.",
    code="provider_not_asked",
)
problem(Conflict, "A worker has the task in hand: send it again in a moment.", "A worker has this task in hand.", code="task_at_work")

_ID = whole("The id of the order.", 51)
_ORDER = component(
    "LostOrder",
    record(
        "An order whose answer was lost.",
        {
            "id": _ID,
            "object": constant("lost_order", "What this is."),
            "task_id": uuid("Its task."),
            "clip": whole("Which clip of it.", 0),
            "state": word("Whether it is being found out, or may have been billed.", ("reconciling", "maybe_billed")),
            "key": record("Whose it is.", {"id": whole("The key's id.", 7), "name": text("Its name.", "cutting room")}),
            "model": text("MiniMax's model.", "video-01"),
            "account": or_null(text("The account that ordered.", "east")),
            "sent_at": or_null(moment("When it was sent.")),
            "cost": usd("What MiniMax asks for it.", "0.4300"),
            "currency": currency(),
        },
    ),
)
describe(
    "GET /v1/admin/lost_orders",
    Operation(
        tag=TAG,
        summary="List lost orders",
        about="Newest first.",
        query=PAGE,
        answers={200: Answer("A page of orders.", component("LostOrderList", page_of(_ORDER, "Orders, newest first.", id_shape=_ID)))},
    ),
)
describe(
    "POST /v1/admin/tasks/{task_id}/reconcile",
    Operation(
        tag=TAG,
        summary="Say what became of a lost order",
        about="`job`: it is that job, for which MiniMax is asked first; `never_was`: it is sent again; `give_up`: the task fails.",
        body=Body(
            DecisionFields,
            "Decision",
            {"outcome": "What became of it.", "provider_task_id": "MiniMax's id of the job: with `job`, and with nothing else."},
            {"outcome": "job", "provider_task_id": "275423911"},
        ),
        answers={200: Answer("The task as it is now.", OPERATORS_TASK)},
        errors=("task_not_found", "nothing_to_reconcile", "provider_not_asked", "task_at_work"),
    ),
)
