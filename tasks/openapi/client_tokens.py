"""Of `tasks.client_tokens_api`."""

from conduit.api.openapi.operations import Answer, Body, Operation, describe
from keys.client_token_requests import ClientTokenSerializer
from keys.openapi.shapes import NEW_CLIENT_TOKEN

_WORDS = {
    "task_id": "The one task that it shall read. Unset: all of the key.",
    "expires_in": "Seconds that it lives.",
    "create": "What it may make. Unset: nothing. Not with `task_id`.",
    "create.tasks": "Tasks, at most.",
    "create.usd": "USD for all of them, at most. Unset: what the key may spend.",
    "create.models": "Models, by name or alias. Unset: those of the key.",
}

describe(
    "POST /v1/client_tokens",
    Operation(
        tag="Key",
        summary="Make a client token",
        about="A token of minutes for somebody's browser: as a bearer, and as `?access_token=` on streams and the hub. It reads "
        "one task or all of the key, and with `create` makes some within its bounds. It ends with the secret that made it.",
        body=Body(
            ClientTokenSerializer,
            "ClientTokenRequest",
            _WORDS,
            {"expires_in": 600, "create": {"tasks": 3, "usd": "1.00", "models": ["minimax-video"]}},
        ),
        answers={201: Answer("The token.", NEW_CLIENT_TOKEN)},
        errors=("task_not_found",),
    ),
)
