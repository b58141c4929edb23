"""Of `notifications.log_api`."""

from conduit.api.openapi.operations import Answer, Body, Operation, describe, page, path_parameter, query
from conduit.api.openapi.shapes import component, constant, flag, listed, moment, or_null, page_of, record, text, uuid, whole, word
from tasks.notifications import event_types
from tasks.notifications.log_api import AgainFields
from tasks.notifications.models import State
from tasks.notifications.openapi.endpoints import MANAGED, OWN

path_parameter("delivery_id", whole("The id of a delivery.", 90))

_ID = whole("The id of a delivery.", 90)
_TRY = record(
    "One call.",
    {
        "at": moment("When."),
        "milliseconds": whole("How long it took.", 212),
        "status_code": or_null(whole("What was answered; null: nothing.", 204)),
        "problem": or_null(text("What went wrong.", "the connection was refused"), null=True),
        "answer": or_null(text("How the answer began.", "ok"), null=True),
    },
)
_DELIVERY = component(
    "WebhookDelivery",
    record(
        "An event on its way to one receiver.",
        {
            "id": _ID,
            "object": constant("webhook_delivery", "What this is."),
            "event_id": text("The event's id, which each of its webhooks has.", "evt_0c1f"),
            "event_type": word("What happened.", event_types.ALL),
            "task_id": or_null(uuid("The task that it is about.")),
            "status": word("How it stands.", State.values, "delivered"),
            "is_test": flag("Whether it was a test.", False),
            "attempts": whole("Times that it was tried.", 1),
            "status_code": or_null(whole("What was answered last.", 204)),
            "problem": or_null(text("What went wrong last.", "the connection was refused"), null=True),
            "created_at": moment("When it was made."),
            "next_try_at": or_null(moment("When it is tried next."), null=True),
            "ended_at": or_null(moment("When it was delivered, or given up.")),
            "tries": listed("Each call.", _TRY),
        },
    ),
)
_PAGE = page_of(_DELIVERY, "Deliveries, newest first.", id_shape=_ID)
_COUNTS = record("How many are in each state, up to 10,000.", {state: whole("So many.", 1) for state in State.values})
_LIST = component(
    "WebhookDeliveryList", {**_PAGE, "properties": {**_PAGE["properties"], "counts": _COUNTS}, "required": [*_PAGE["required"], "counts"]}
)
_AGAIN = component(
    "WebhookRedelivery",
    record(
        "What is sent again.",
        {
            "object": constant("webhook_redelivery", "What this is."),
            "deliveries": whole("How many.", 12),
            "has_more": flag("Whether there are more: call again.", False),
        },
    ),
)
_QUERY = (
    query("status", word("Those in one state.", State.values)),
    *page(_ID),
)
_WHICH = Body(
    AgainFields,
    "Redelivery",
    {
        "status": "Those that were delivered, or given up.",
        "created_after": "Those that were made from then on.",
        "created_before": "Those that were made before it.",
    },
    {"status": "failed"},
)

for root, label in (("/v1", OWN), ("/v1/admin", MANAGED)):
    for about, path, again, missing in (
        (
            "an endpoint",
            f"{root}/webhook_endpoints/{{endpoint_id}}/deliveries",
            f"{root}/webhook_endpoints/{{endpoint_id}}/redeliver",
            "not_found",
        ),
        (
            "a task",
            f"{root}/tasks/{{task_id}}/webhook_deliveries",
            f"{root}/tasks/{{task_id}}/webhook_deliveries/redeliver",
            "task_not_found",
        ),
    ):
        describe(
            f"GET {path}",
            Operation(
                tag=label,
                summary=f"List webhooks of {about}",
                about="What was sent and what came of it, newest first.",
                query=_QUERY,
                answers={200: Answer("A page of deliveries.", _LIST)},
                errors=(missing,),
            ),
        )
        describe(
            f"POST {again}",
            Operation(
                tag=label,
                summary=f"Send webhooks of {about} again",
                about="What was given up, or all of a span of time: the oldest 10,000 at a call, under the ids that they had.",
                body=_WHICH,
                answers={200: Answer("How many.", _AGAIN)},
                errors=(missing, "conflict"),
            ),
        )
    describe(
        f"POST {root}/webhook_endpoints/{{endpoint_id}}/deliveries/{{delivery_id}}/redeliver",
        Operation(
            tag=label,
            summary="Send one webhook again",
            about="Under the id that it had.",
            answers={200: Answer("The delivery, as it is now.", _DELIVERY)},
            errors=("not_found", "conflict"),
        ),
    )
