"""What the hub tells of a video, as shapes: names and objects of `videos.hub`."""

from collections.abc import Mapping

from conduit.api.openapi.shapes import Shape, address, component, constant, flag, moment, number, or_null, record, text, uuid, whole, word
from tasks.openapi.shapes import COST
from videos.models import Resolution
from videos.openapi.shapes import ERROR_CODES
from videos.stages import Stage

_PROGRESS = whole("0 to 100.", 17, minimum=0, maximum=100)
_LINK = "http://localhost:8000/media/01a2027d-7f6f-727a-814e-4a2215e8a6bc/video.mp4?expires=1801396800&signature=3q2-7w"


def _event(name: str, status: str, about: str, fields: Mapping[str, Shape], *, stored: bool = True) -> None:
    event_id = {"eventId": whole("Its place in the key's history.", 42)} if stored else {}
    component(
        name,
        record(about, {"taskId": uuid("The task."), "status": constant(status, "How it stands."), **fields, **event_id}),
    )


_event(
    "HubStarted",
    "processing",
    "`VideoGenerationStarted`.",
    {
        "progress": _PROGRESS,
        "model": text("The model that was asked for.", "minimax-video"),
        "startedAt": moment("When."),
        "estimatedSeconds": or_null(whole("Until it is probably done.", 95)),
    },
)
component(
    "HubProgress",
    record(
        "`VideoGenerationProgress`.",
        {
            "taskId": uuid("The task."),
            "status": word("How it stands.", ("queued", "processing"), "processing"),
            "progress": _PROGRESS,
            "stage": word("What happens right now.", ["queued", *Stage], "generating"),
            "message": text("The same for people.", "Generating"),
            "etaSeconds": or_null(whole("Until it is probably done.", 71)),
            "timestamp": moment("When this was so."),
        },
    ),
)
_event(
    "HubCompleted",
    "completed",
    "`VideoGenerationCompleted`. Links and figures are null when the result was deleted before history was told again.",
    {
        "progress": constant(100, "It is whole."),
        "videoUrl": or_null(address("A signed link to the video.", _LINK)),
        "thumbnailUrl": or_null(address("A signed link to its picture.", _LINK.replace("video.mp4", "thumbnail.jpg"))),
        "duration": or_null(number("Seconds.", 6.0)),
        "resolution": word("Width and height.", Resolution.values, "1280x720"),
        "sizeBytes": or_null(whole("Of the video.", 623104)),
        "cost": COST,
        "completedAt": moment("When."),
    },
)
_event(
    "HubFailed",
    "failed",
    "`VideoGenerationFailed`.",
    {
        "error": text("Why, for people.", "The video provider did not finish the video within the time limit."),
        "errorCode": word("Why, for programs.", ERROR_CODES),
        "retryable": flag("Whether asking again for the same makes sense."),
        "failedAt": moment("When."),
    },
)
_event(
    "HubCancelled",
    "cancelled",
    "`VideoGenerationCancelled`.",
    {
        "errorCode": or_null(word("`deadline_exceeded` where its deadline ended it.", ("deadline_exceeded",)), null=True),
        "cost": COST,
        "cancelledAt": moment("When."),
    },
)
