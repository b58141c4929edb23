"""Of `notifications.api`."""

from collections.abc import Mapping
from typing import Any

from conduit.api.errors import InvalidRequest
from conduit.api.fields import OneOfField, StrictSerializer, WholeField
from conduit.api.openapi.operations import Answer, Body, Operation, Parameter, describe, page, path_parameter, query
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import (
    Shape,
    component,
    constant,
    flag,
    listed,
    or_null,
    page_of,
    record,
    text,
    unix,
    whole,
    word,
)
from conduit.api.openapi.story import tag
from tasks.notifications import event_types
from tasks.notifications.fields import EndpointChangeFields, EndpointFields, EventTypesField, RotationFields

OWN, MANAGED = "Webhooks", "Management: webhooks"
tag(OWN, "Being called when something happens: endpoints as OpenAI's clients manage them, and their log.", order=35)
tag(MANAGED, "The endpoints of every key and team, and those of the whole place.", order=75)
path_parameter("endpoint_id", text("The id of a webhook endpoint.", "we_4f18a6bc"))
problem(
    InvalidRequest,
    "A test was answered by nobody.",
    "The endpoint could not be reached: the connection was refused.",
    code="webhook_not_delivered",
    param="url",
)


class NewEndpoint(EndpointFields):
    event_types = EventTypesField(event_types.for_owner(is_place=False))


class ManagedNewEndpoint(EndpointFields):
    event_types = EventTypesField(event_types.for_owner(is_place=True))
    key = WholeField(least=1, most=2**63 - 1, required=False, allow_null=True)
    team = WholeField(least=1, most=2**63 - 1, required=False, allow_null=True)


class EndpointChange(EndpointChangeFields):
    event_types = EventTypesField(event_types.for_owner(is_place=False), required=False)


class ManagedEndpointChange(EndpointChangeFields):
    event_types = EventTypesField(event_types.for_owner(is_place=True), required=False)


_ID = text("The id of a webhook endpoint.", "we_4f18a6bc")
_FIELDS: dict[str, Shape] = {
    "id": _ID,
    "object": constant("webhook_endpoint", "What this is."),
    "name": text("Its name.", "my server"),
    "url": text("What is called.", "https://app.example.com/hooks"),
    "event_types": listed("What it is told of.", word("A type.", event_types.ALL)),
    "created_at": unix("When it was made."),
    "updated_at": unix("When it was last changed."),
    "signing_secret_hint": text("How its secret ends.", "…k3Qf"),
    "enabled": flag("Whether it is called."),
    "disabled_reason": or_null(text("Why it is not.", "Its owner disabled it."), null=True),
    "failing_since": or_null(unix("Since when nothing arrives there."), null=True),
}
_OWNER: dict[str, Shape] = {
    "key": or_null(whole("The key whose it is.", 7)),
    "team": or_null(whole("The team whose it is; neither: the whole place's.", 3), null=True),
}
_SECRET: dict[str, Shape] = {
    "signing_secret": or_null(
        text("What signs its webhooks. It is shown this once; null in the answer to a call that was sent again.", "whsec_…")
    ),
    "secret_note": text(
        "Where it was, in that answer alone.", "The secret was in the first answer to this call, and no later one shows it."
    ),
}


def _shapes(prefix: str, more: Mapping[str, Shape]) -> tuple[Shape, Shape, Shape]:
    fields = {**_FIELDS, **more}
    one = component(f"{prefix}WebhookEndpoint", record("A webhook endpoint.", fields))
    new = component(
        f"{prefix}WebhookEndpointWithSecret", record("A webhook endpoint with its secret.", fields | _SECRET, optional=("secret_note",))
    )
    return one, new, component(f"{prefix}WebhookEndpointList", page_of(one, "Webhook endpoints, newest first.", id_shape=_ID))


_PAGE = page(_ID)
_WORDS = {
    "name": "For people.",
    "url": "What is called: https, at a public address.",
    "event_types": "What it is told of.",
    "enabled": "Whether it is called; `true` brings back one that was disabled.",
    "key": "The id of the key whose it shall be.",
    "team": "Or of the team; neither: the whole place's.",
}
_EXAMPLE: dict[str, Any] = {"name": "my server", "url": "https://app.example.com/hooks", "event_types": ["video.completed", "video.failed"]}
_ROTATION = Body(
    RotationFields,
    "WebhookRotation",
    {"keep_old_secret_active_for_24_hours": "Whether the one before signs beside it for a day."},
    {"keep_old_secret_active_for_24_hours": True},
    required=False,
)
_GONE = record(
    "What was deleted.",
    {"id": _ID, "object": constant("webhook_endpoint.deleted", "What this is."), "deleted": constant(True, "That it is gone.")},
)
_TESTED = component(
    "WebhookTest",
    record(
        "What came of a test.",
        {
            "object": constant("webhook_endpoint.test", "What this is."),
            "webhook_endpoint_id": _ID,
            "event_type": word("What was sent.", event_types.ALL),
            "status_code": whole("What it was answered.", 204),
            "success": constant(True, "That an answer came."),
        },
    ),
)
_TYPES = record(
    "The types of events.",
    {"object": constant("list", "What this is."), "data": listed("Their names.", word("A type.", event_types.ALL))},
)


class OneType(StrictSerializer):
    event_type = OneOfField(event_types.ALL)


def _describe(root: str, label: str, shapes: tuple[Shape, Shape, Shape], new: Body, change: Body, *more: Parameter) -> None:
    one, with_secret, many = shapes
    own, secret = f"{root}/{{endpoint_id}}", "Its secret is in this answer and nowhere else."
    location = {"Location": text("Where it is.", f"{root}/we_4f18a6bc")}
    listed_all = Operation(
        tag=label,
        summary="List webhook endpoints",
        about="Newest first.",
        query=(*more, *_PAGE),
        answers={200: Answer("A page of endpoints.", many)},
    )
    made = Operation(
        tag=label,
        summary="Make a webhook endpoint",
        about=f"It is called from the next event on. {secret}",
        body=new,
        answers={200: Answer("The endpoint, with its secret.", with_secret, headers=location)},
        errors=("conflict",),
        is_idempotent=True,
    )
    calls = {
        f"GET {root}": listed_all,
        f"POST {root}": made,
        f"GET {own}": Operation(
            tag=label, summary="Read a webhook endpoint", about="How it is.", answers={200: Answer("It.", one)}, errors=("not_found",)
        ),
        f"POST {own}": Operation(
            tag=label,
            summary="Change a webhook endpoint",
            about="What is left out stays; what it has not received yet goes to the new address.",
            body=change,
            answers={200: Answer("It, as it is now.", one)},
            errors=("not_found",),
        ),
        f"DELETE {own}": Operation(
            tag=label,
            summary="Delete a webhook endpoint",
            about="It is called no more; what it had pending goes with it.",
            answers={200: Answer("What was deleted.", _GONE)},
            errors=("not_found",),
        ),
        f"POST {own}/rotate_secret": Operation(
            tag=label,
            summary="Rotate a webhook endpoint's secret",
            about=f"Another secret. {secret}",
            body=_ROTATION,
            answers={200: Answer("The endpoint, with its new secret.", with_secret)},
            errors=("not_found",),
            is_idempotent=True,
        ),
        f"POST {own}/test": Operation(
            tag=label,
            summary="Test a webhook endpoint",
            about="Sends a made-up event now, and answers the status that came.",
            body=_TEST,
            answers={200: Answer("What came of it.", _TESTED)},
            errors=("not_found", "conflict", "webhook_not_delivered"),
        ),
    }
    for call, operation in calls.items():
        describe(call, operation)


_TEST = Body(OneType, "WebhookTestRequest", {"event_type": "What to send."}, {"event_type": "video.completed"})
_describe(
    "/v1/webhook_endpoints",
    OWN,
    _shapes("", {}),
    Body(NewEndpoint, "NewWebhookEndpoint", _WORDS, _EXAMPLE),
    Body(EndpointChange, "WebhookEndpointChange", _WORDS, {"enabled": False}),
)
_describe(
    "/v1/admin/webhook_endpoints",
    MANAGED,
    _shapes("Managed", _OWNER),
    Body(ManagedNewEndpoint, "ManagedNewWebhookEndpoint", _WORDS, _EXAMPLE | {"key": 7}),
    Body(ManagedEndpointChange, "ManagedWebhookEndpointChange", _WORDS, {"enabled": False}),
    query("key", whole("The id of a key: its endpoints alone.", 7)),
    query("team", whole("The id of a team.", 3)),
)
for path, label in (("/v1/webhook_event_types", OWN), ("/v1/admin/webhook_event_types", MANAGED)):
    describe(
        f"GET {path}",
        Operation(
            tag=label,
            summary="List types of events",
            about="What an endpoint may be told of.",
            answers={200: Answer("The types.", _TYPES)},
        ),
    )
_KEY_HINT = {
    "object": constant("webhook_secret", "What this is."),
    "signing_secret_hint": text("How it ends.", "…LaSw"),
    "old_secret_ends_at": or_null(unix("When the one before signs no more."), null=True),
}
_KEY_SECRET = component(
    "WebhookSecret",
    record(
        "What signs the webhooks of calls that name a `webhook_url`.",
        _KEY_HINT | {"signing_secret": text("The secret.", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
    ),
)
_OF_A_KEY = component("WebhookSecretHint", record("What signs the webhooks of a key's calls that name a `webhook_url`.", _KEY_HINT))
_OF_A_KEY_SHOWN = component(
    "WebhookSecretRotated", record("The same, with the secret that was made.", _KEY_HINT | _SECRET, optional=("secret_note",))
)
describe(
    "GET /v1/admin/keys/{key_id}/webhook_secret",
    Operation(
        tag=MANAGED,
        summary="Read how a key's webhook secret ends",
        about="The secret itself is its holder's to read.",
        answers={200: Answer("Its hint.", _OF_A_KEY)},
        errors=("not_found",),
    ),
)
describe(
    "POST /v1/admin/keys/{key_id}/webhook_secret/rotate",
    Operation(
        tag=MANAGED,
        summary="Rotate a key's webhook secret",
        about="Another secret at once, such as when nothing opens the one that it had.",
        body=_ROTATION,
        answers={200: Answer("Its hint, with the new secret.", _OF_A_KEY_SHOWN)},
        errors=("not_found",),
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/key/webhook_secret",
    Operation(
        tag=OWN,
        summary="Read the key's webhook secret",
        about="Whoever has the key may ask for it again.",
        answers={200: Answer("The secret.", _KEY_SECRET)},
        errors=("conflict",),
    ),
)
describe(
    "POST /v1/key/webhook_secret/rotate",
    Operation(
        tag=OWN,
        summary="Rotate the key's webhook secret",
        about="Another secret at once.",
        body=_ROTATION,
        answers={200: Answer("The new secret.", _KEY_SECRET)},
    ),
)
