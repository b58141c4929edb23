"""Of `videos.dialects.openai`: OpenAI's Videos API."""

from conduit.api.errors import NotFound
from conduit.api.openapi.operations import Answer, Body, Operation, describe, header, page, path_parameter, query
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import Shape, component, constant, or_null, page_of, record, text, unix, uuid, whole, word
from conduit.api.openapi.story import tag
from tasks.openapi.consumer import APPLIED, PREFER
from videos.dialects.openai.requests import CreateFields, RemixFields
from videos.dialects.openai.views import VARIANTS, SheetUnderWay
from videos.dialects.openai.wire import STATUSES
from videos.models import Resolution
from videos.openapi.files import ELSEWHERE, PART, RANGE, WHOLE

TAG = "OpenAI's Videos API"
tag(TAG, "The same tasks for OpenAI's clients, unmodified: same ids, money, limits and events.", order=50)
path_parameter("video_id", text("The id of a video, which is its task's.", "01a2027d-7f6f-727a-814e-4a2215e8a6bc"))
problem(
    NotFound,
    "The key has no video of that id, or it was deleted here.",
    "This key has no video of that id.",
    code="video_not_found",
    param="video_id",
)
problem(
    NotFound,
    "The video is not completed.",
    "This video has no content: it is processing.",
    code="video_not_ready",
    param="video_id",
)
problem(
    SheetUnderWay,
    "The spritesheet is not made yet: ask again after `Retry-After`.",
    "This video's spritesheet is being made. Ask for it again.",
)

VIDEO = component(
    "Video",
    record(
        "A task as OpenAI's clients read a video.",
        {
            "id": uuid("Its id, which is its task's."),
            "object": constant("video", "What this is."),
            "model": text("The model that was asked for.", "minimax-video"),
            "status": word("How it stands; a cancelled one is `failed`.", dict.fromkeys(STATUSES.values())),
            "progress": whole("0 to 100.", 0, minimum=0, maximum=100),
            "created_at": unix("When it was created."),
            "completed_at": or_null(unix("When it was completed."), null=True),
            "expires_at": or_null(unix("When its result or its prompt is deleted."), null=True),
            "seconds": text("Whole seconds, as a string.", "6", pattern="^[0-9]{1,2}$"),
            "size": word("Width and height.", Resolution.values, "1280x720"),
            "prompt": or_null(text("What was asked for; null when it was deleted.", "a cat in the rain")),
            "remixed_from_video_id": or_null(uuid("The video that this is a remix of."), null=True),
            "error": or_null(
                record(
                    "Why it failed.",
                    {
                        "code": text("A task's `error_code`, or `cancelled`.", "cancelled"),
                        "message": text("For people.", "The video was cancelled."),
                    },
                ),
                null=True,
            ),
        },
    ),
)
ALWAYS: dict[str, Shape] = {
    "openai-poll-after-ms": whole("When a client that polls shall ask again, in milliseconds.", 1500),
    "x-should-retry": text("`false` with refusals that these clients would send again, and must not.", "false"),
}
_HOOKED = {
    "webhook_url": "Where webhooks of this video go, beside those of endpoints: an address that we may call.",
    "webhook_events": "Which of them (in JSON). Unset: `video.completed` and `video.failed`, which these clients can read.",
}
_REPEATS = (
    header(
        "x-stainless-retry-count",
        text("Which try of the call this is, as these clients say: one from 1 on is answered with the video of an earlier try.", "0"),
    ),
)
_LIST = component("VideoList", page_of(VIDEO, "Videos.", id_shape=uuid("The id of a video.")))
_CREATE = Body(
    CreateFields,
    "OpenAIVideoRequest",
    {
        "model": "A name or an alias of `GET /v1/models`.",
        "prompt": "What is to be seen.",
        "seconds": "Whole seconds, as a string or a number.",
        "size": "Width and height.",
        **_HOOKED,
    },
    {"model": "minimax-video", "prompt": "a cat in the rain", "seconds": "6", "size": "1280x720"},
    kinds=("application/json", "multipart/form-data"),
)
_REMIX = Body(
    RemixFields,
    "OpenAIRemix",
    {"prompt": "What is to be seen instead.", **_HOOKED},
    {"prompt": "the same cat in the snow"},
    kinds=("application/json", "multipart/form-data"),
)
_CREATED = ("model_not_found", "model_not_allowed", "content_policy_violation", "insufficient_quota")

describe(
    "POST /v1/videos",
    Operation(
        tag=TAG,
        always=ALWAYS,
        summary="Make a video",
        about="As multipart or JSON. What OpenAI's models took beside text (`input_reference`) is 400.",
        headers=(*_REPEATS, PREFER),
        body=_CREATE,
        answers={200: Answer("The new video.", VIDEO, headers=APPLIED)},
        errors=_CREATED,
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/videos",
    Operation(
        tag=TAG,
        always=ALWAYS,
        summary="List videos",
        about="The key's videos, newest first unless `order` says otherwise; those that were deleted here are left out.",
        query=(
            query("order", word("Of creation.", ("asc", "desc"), "desc")),
            *page(uuid("The id of a video.")),
        ),
        answers={200: Answer("A page of videos.", _LIST)},
    ),
)
describe(
    "GET /v1/videos/{video_id}",
    Operation(
        tag=TAG,
        always=ALWAYS,
        summary="Read a video",
        about="The video as it is now.",
        headers=(PREFER,),
        answers={200: Answer("The video.", VIDEO, headers=APPLIED)},
        errors=("video_not_found",),
    ),
)
describe(
    "DELETE /v1/videos/{video_id}",
    Operation(
        tag=TAG,
        always=ALWAYS,
        summary="Delete a video",
        about="One under way is cancelled, and charged so; an ended one loses files and prompt. From then on it is 404 here.",
        answers={
            200: Answer(
                "What was deleted.",
                record(
                    "What was deleted.",
                    {
                        "id": uuid("The video."),
                        "object": constant("video.deleted", "What this is."),
                        "deleted": constant(True, "That it is gone."),
                    },
                ),
            )
        },
        errors=("video_not_found",),
    ),
)
describe(
    "GET /v1/videos/{video_id}/content",
    Operation(
        tag=TAG,
        always=ALWAYS,
        summary="Fetch a video's file",
        about="The file itself, with ranges of bytes. The spritesheet is a JPEG of 25 pictures, five by five, from moments that lie "
        "evenly over the video; it is made when it is first asked for, and the answer waits for it up to 30 s.",
        query=(query("variant", word("Which file.", VARIANTS)),),
        headers=(RANGE,),
        answers={
            200: WHOLE,
            206: PART,
            302: ELSEWHERE,
            304: Answer("It is still what you have."),
        },
        errors=("video_not_found", "video_not_ready", "spritesheet_under_way", "not_found", "media_deleted", "range_not_satisfiable"),
    ),
)
describe(
    "POST /v1/videos/{video_id}/remix",
    Operation(
        tag=TAG,
        always=ALWAYS,
        summary="Remix a video",
        about="A new video with another prompt, and all else of a completed one.",
        headers=(*_REPEATS, PREFER),
        body=_REMIX,
        answers={200: Answer("The new video.", VIDEO, headers=APPLIED)},
        errors=(*_CREATED, "video_not_found"),
        is_idempotent=True,
    ),
)
for path, what in (("edits", "edited"), ("extensions", "extended"), ("characters", "made with characters")):
    describe(
        f"POST /v1/videos/{path}",
        Operation(
            tag=TAG,
            always=ALWAYS,
            summary=f"Not supported: {path}",
            about=f"Videos cannot be {what} here: this is always 400, and says so.",
            answers={},
            errors=("invalid_request",),
        ),
    )
