"""Of `videos.views`: which models there are."""

from conduit.api.openapi.operations import Answer, Operation, describe
from conduit.api.openapi.shapes import component, constant, currency, factor, listed, named, record, text, unix, usd, whole, word
from conduit.api.openapi.story import tag
from videos.catalogue import PRICED_SECONDS
from videos.models import Resolution

tag("Models", "What can be asked for, and what it costs.", order=25)

MODEL = component(
    "Model",
    record(
        "A model that the key may use.",
        {
            "id": text("Its name.", "video-01"),
            "object": constant("model", "What this is."),
            "created": unix("When it came here."),
            "owned_by": constant("minimax", "Whose it is."),
            "aliases": listed("Further names of it.", text("A name.", "minimax-video")),
            "durations": listed("Seconds that a video of it may have.", whole("Seconds.", 6)),
            "resolutions": listed("Sizes that a video of it may have.", word("Width and height.", Resolution.values, "1280x720")),
            "price": record(
                "What its videos cost: base * duration / per_seconds * the size's factor * price_factor.",
                {
                    "base": usd("For `per_seconds` at the factor 1."),
                    "per_seconds": constant(PRICED_SECONDS, "What `base` is for."),
                    "least_seconds": whole("A shorter video is priced as one of so many.", 1),
                    "factors": named("Of each size.", factor("A multiple.", "1.5"), {"1280x720": "1", "1920x1080": "1.5"}),
                    "price_factor": factor("The multiple of the list price that the key pays."),
                    "currency": currency(),
                },
            ),
        },
    ),
)
describe(
    "GET /v1/models",
    Operation(
        tag="Models",
        summary="List models",
        about="The models that the key may use.",
        answers={
            200: Answer(
                "The models.",
                component(
                    "ModelList",
                    record("All of them.", {"object": constant("list", "What this is."), "data": listed("The models.", MODEL)}),
                ),
            )
        },
    ),
)
describe(
    "GET /v1/models/{name}",
    Operation(
        tag="Models",
        summary="Read a model",
        about="One model, by any of its names.",
        path={"name": text("A name or an alias.", "minimax-video")},
        answers={200: Answer("The model.", MODEL)},
        errors=("model_not_found", "model_not_allowed"),
    ),
)
