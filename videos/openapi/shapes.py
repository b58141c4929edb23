"""What tasks that make a video have of their own, and the errors of asking for one."""

from conduit.api.errors import ContentPolicyViolation, NotFound
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import (
    Shape,
    address,
    component,
    constant,
    currency,
    flag,
    listed,
    moment,
    number,
    or_null,
    record,
    text,
    usd,
    uuid,
    whole,
    word,
)
from keys.models import UsageCost
from tasks.openapi.shapes import kind_of_task
from videos.deletion import MediaDeleted
from videos.life import State
from videos.models import Clip, ClipState, Resolution
from videos.presentation import KIND
from videos.requests import DURATION_MAX, SIZES_OF_RATIO
from videos.stages import WAITS, Stage

problem(
    NotFound,
    "There is no model of that name.",
    "There is no model of that name. GET /v1/models lists those that you may use.",
    code="model_not_found",
    param="model",
)
problem(
    ContentPolicyViolation,
    "The prompt holds a term that an administrator has blocked.",
    "This prompt is against the content policy. Please describe something else.",
    param="prompt",
)
problem(MediaDeleted, "What the link led to was deleted.", "This video was deleted.")

# Why a video fails (videos.failures, videos.minimax.errors).
ERROR_CODES = (
    *("content_policy_violation", "invalid_request", "provider_error", "provider_timeout", "provider_auth", "provider_quota"),
    *("queue_timeout", "generation_timeout", "delivery_timeout", "invalid_video"),
)
_LINK = "http://localhost:8000/media/01a2027d-7f6f-727a-814e-4a2215e8a6bc"

SOURCE = record(
    "What was made natively, so that nobody takes an upscale for more.",
    {
        "model": text("MiniMax's model.", "video-01"),
        "width": whole("Pixels.", 1280),
        "height": whole("Pixels.", 720),
        "fps": number("Pictures a second.", 25.0),
        "clips": whole("Clips that it was made of.", 1),
        "speed": number("The rate at which they are played: a little below 1 where they came short.", 1.0),
    },
)
RESULT = component(
    "Result",
    record(
        "A finished video. Its links work in a `<video>` tag, without a header, until `expires_at`.",
        {
            "video_url": address(
                "The video, as MP4: a download, or with `&inline=1` for the tab.", f"{_LINK}/video.mp4?expires=1801396800&signature=3q2-7w"
            ),
            "thumbnail_url": address("A picture of it, as JPEG.", f"{_LINK}/thumbnail.jpg?expires=1801396800&signature=3q2-7w"),
            "duration": number("Seconds, as measured.", 6.0),
            "width": whole("Pixels.", 1280),
            "height": whole("Pixels.", 720),
            "fps": number("Pictures a second.", 25.0),
            "size_bytes": whole("Of the video.", 623104),
            "content_type": constant("video/mp4", "Of the video."),
            "expires_at": moment("When these links end: read the task again for fresh ones."),
            "source": SOURCE,
        },
    ),
)
FIELDS: dict[str, Shape] = {
    "prompt": or_null(text("What was asked for; null when it was deleted.", "a cat in the rain")),
    "duration": whole("Seconds.", 6, minimum=1, maximum=DURATION_MAX),
    "resolution": word("Width and height.", Resolution.values, "1280x720"),
    "aspect_ratio": word("Of the picture.", SIZES_OF_RATIO),
    "result": or_null(RESULT | {"description": "The video; null until it is completed, and when it was deleted."}, null=True),
}

_CLIP = record(
    "One job at MiniMax.",
    {
        "number": whole("Its place, from 0.", 0),
        "makes": word("What it makes.", Clip.Makes.values),
        "model": text("MiniMax's model.", "video-01"),
        "state": word("How it stands.", ClipState.values),
        "creates": whole("Times that it was ordered.", 1),
        "account": or_null(text("The account at MiniMax that ordered it.", "east")),
        "provider_task_id": or_null(text("MiniMax's id of the job.", "275423911")),
        "file_id": or_null(text("MiniMax's id of the file.", "275423912")),
        "billed": or_null(usd("What MiniMax bills for it; null: not known yet.", "0.4300")),
        "submitted_at": or_null(moment("When MiniMax took the order.")),
        "made_at": or_null(moment("When MiniMax had made it.")),
        "fetched_at": or_null(moment("When it was fetched.")),
        "ready_at": or_null(moment("When it was ready to be assembled.")),
    },
)
_EXCHANGE = record(
    "One call to MiniMax, or several queries that were answered alike.",
    {
        "clip": or_null(whole("Which clip it was about.", 0)),
        "call": text("What was called.", "create"),
        "method": text("HTTP's method.", "POST"),
        "path": text("Where.", "/v1/video_generation"),
        "http": or_null(whole("HTTP's status; null: no answer.", 200)),
        "code": or_null(whole("MiniMax's code.", 0)),
        "status": or_null(text("MiniMax's word for how the job stands.", "Processing"), null=True),
        "message": or_null(text("MiniMax's words.", "success")),
        "is_error": flag("Whether it went wrong.", False),
        "trace_id": or_null(text("What MiniMax's support asks for.", "0417a2c4")),
        "milliseconds": whole("How long it took.", 212),
        "count": whole("How many were answered alike.", 1),
        "first_at": moment("When the first was."),
        "last_at": moment("When the last was."),
        "request": or_null(text("What was sent: 2,000 characters at most, without secrets and prompts.", '{"model": "video-01"}')),
        "answer": or_null(text("What was answered, likewise.", '{"task_id": "275423911"}')),
    },
)
_STEP = record(
    "A step of a task's life.",
    {
        "name": text("What it was.", "Queued"),
        "state": word("How it went; `unknown`: when it was is not kept.", list(State)),
        "began_at": or_null(moment("When it began.")),
        "ended_at": or_null(moment("When it ended.")),
        "words": or_null(text("What is to be said of it.", "200, code 0"), null=True),
    },
)
_PLAN = record(
    "How the video is made.",
    {
        "clips": listed(
            "What is ordered, in order.",
            record(
                "A clip.",
                {
                    "makes": word("What it makes.", Clip.Makes.values),
                    "model": text("MiniMax's model.", "video-01"),
                    "duration": or_null(whole("Seconds.", 6)),
                    "resolution": or_null(text("MiniMax's word for its size.", "720P")),
                    "cost": usd("What MiniMax asks for it.", "0.4300"),
                },
            ),
        ),
        "width": whole("Pixels of the result.", 1280),
        "height": whole("Pixels of the result.", 720),
        "fps": or_null(number("Pictures a second; null: as they come.", 25.0)),
        "then": listed("What is then done to them.", text("A sentence.", "scaled to 1920x1080")),
        "cost": usd("What MiniMax asks for all of it.", "0.4300"),
    },
)
_LEDGER = record(
    "A movement of money.",
    {
        "entry": word("What it is.", UsageCost.Entry.values),
        "amount": usd("How much."),
        "currency": currency(),
        "who": or_null(text("Who made it, where somebody did.", "ann"), null=True),
        "why": or_null(text("Why, in his words.", "The video was late."), null=True),
        "created_at": moment("When."),
    },
)

kind_of_task(
    KIND,
    FIELDS,
    stages=[*Stage, "completed", "failed", "cancelled"],
    waits=dict.fromkeys(WAITS.values()),
    error_codes=ERROR_CODES,
    for_operators={
        "prompt_optimizer": or_null(flag("Whether MiniMax may put the prompt into words of its own; null: nothing was said."), null=True),
        "clips": listed("Its jobs at MiniMax.", _CLIP),
    },
    details={
        "exchanges": listed("The newest fifty, newest first.", _EXCHANGE),
        "life": listed("Its life, step by step.", _STEP),
        "plan": _PLAN,
        "ledger": listed("Its money.", _LEDGER),
        "ledger_problems": listed("What does not add up of it; empty: all does.", text("A sentence.", "It was charged twice."))
        | {"examples": [[]]},
        "billed": usd("What MiniMax bills for it.", "0.4300"),
        "margin": or_null(usd("What is left of what was charged; null: not known yet.", "-0.2300")),
        "retries": listed("Tasks that did it again, newest first.", uuid("A task.")) | {"examples": [[]]},
    },
)
