"""Of `videos.views`, as far as they make, retry, price and delete videos."""

from conduit.api.openapi.operations import Answer, Body, Operation, describe
from conduit.api.openapi.shapes import component, constant, factor, record, text, whole, word
from conduit.api.openapi.story import tag
from tasks.openapi.consumer import APPLIED, PREFER
from tasks.openapi.management import RETRY
from tasks.openapi.shapes import COST, TASK
from videos.models import Resolution
from videos.openapi import shapes  # noqa: F401 - a video task's fields
from videos.presentation import KIND
from videos.requests import DURATION_MAX, SIZES_OF_RATIO, GenerationSerializer

tag("Videos", "Making videos.", order=10)

_WORDS = {
    "model": "A name or an alias of `GET /v1/models`.",
    "prompt": "What is to be seen; at most as long as the model takes (2,000 characters; `minimax-h3`, `minimax-h3-max`: 7,000).",
    "duration": "Whole seconds, as a number or a numeric string.",
    "resolution": "Width and height. Unset: 1280x720, or what `aspect_ratio` picks.",
    "aspect_ratio": "Picks a size by itself (1280x720, 720x1280, 720x480); 400 where it contradicts `resolution`.",
    "metadata": "Up to 16 short strings by name, returned as they came.",
    "expires_in": "Seconds after which the task is cancelled unless it is done. Unset: it has all the time.",
    "webhook_url": "Where webhooks of this task go: an address that we may call.",
    "webhook_events": "Which of them. Unset: all but its progress.",
    "prompt_optimizer": "Whether MiniMax may put the prompt into words of its own (models of MiniMax's version 1; not for several clips).",
}
_EXAMPLE = {"model": "minimax-video", "prompt": "a cat in the rain", "duration": 6, "resolution": "1280x720"}
_BODY = Body(GenerationSerializer, "VideoRequest", _WORDS, _EXAMPLE)
_ASKED = ("model_not_found", "model_not_allowed", "content_policy_violation")
_CREATED = (*_ASKED, "insufficient_quota")
_LOCATION = {"Location": text("Where the task is.", "/v1/tasks/01a2027d-7f6f-727a-814e-4a2215e8a6bc")}

describe(
    "POST /v1/video/generations",
    Operation(
        tag="Videos",
        summary="Make a video",
        about="Answers at once with a task that is queued, and whose price is held. Follow it with `GET /v1/tasks/{task_id}`, or be told "
        "(*Real time*).",
        headers=(PREFER,),
        body=_BODY,
        answers={202: Answer("The new task.", TASK, headers=_LOCATION | APPLIED)},
        errors=_CREATED,
        is_idempotent=True,
    ),
)
describe(
    "POST /v1/video/generations/{task_id}/retry",
    Operation(
        tag="Videos",
        summary="Retry a video",
        about="A new task, with `retry_of`, for what a failed one asked for, or one that its deadline ended. What was good of its clips is "
        "taken over.",
        headers=(PREFER,),
        body=RETRY,
        answers={202: Answer("The new task.", TASK, headers=_LOCATION | APPLIED)},
        errors=(*_CREATED, "task_not_found", "task_not_retryable"),
        is_idempotent=True,
    ),
)
ESTIMATE = component(
    "Estimate",
    record(
        "What a video would cost.",
        {
            "object": constant("estimate", "What this is."),
            "type": constant(KIND, "What it is of."),
            "model": text("The name that was asked for.", "minimax-video"),
            "duration": whole("Seconds.", 6, minimum=1, maximum=DURATION_MAX),
            "resolution": word("Width and height.", Resolution.values, "1280x720"),
            "aspect_ratio": word("Of the picture.", SIZES_OF_RATIO),
            "price_factor": factor("The multiple of the list price that the key pays."),
            "cost": COST,
        },
    ),
)
_QUOTED = {"estimated": "0.2000", "held": None, "charged": None, "currency": "USD"}
describe(
    "POST /v1/video/generations/estimate",
    Operation(
        tag="Videos",
        summary="Ask what a video would cost",
        about="The same body as a create; nothing is started. It checks what one task may be, and neither budgets nor tasks in flight.",
        body=_BODY,
        answers={
            200: Answer(
                "The price.",
                ESTIMATE,
                example={
                    "object": "estimate",
                    "type": KIND,
                    "model": "minimax-video",
                    "duration": 6,
                    "resolution": "1280x720",
                    "aspect_ratio": "16:9",
                    "price_factor": "1",
                    "cost": _QUOTED,
                },
            )
        },
        errors=_ASKED,
    ),
)
describe(
    "DELETE /v1/tasks/{task_id}/media",
    Operation(
        tag="Videos",
        summary="Delete what a task made",
        about="Video, thumbnail, clips, prompt and metadata are gone for good, and links to them answer 410; the task and its money "
        "stay. Again is fine.",
        answers={200: Answer("The task, without what was deleted.", TASK)},
        errors=("task_not_found", "task_under_way"),
    ),
)
