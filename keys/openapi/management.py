"""Of `keys.management_api`."""

from collections.abc import Mapping

from conduit.api.openapi.operations import Answer, Body, Operation, describe, page, query
from conduit.api.openapi.shapes import Shape, constant, record, text, whole
from conduit.api.openapi.story import section, tag
from keys.openapi.own import CSV, CSV_HEADERS, usage_parameters
from keys.openapi.shapes import (
    ADMIN_USAGE,
    CLIENT_TOKENS,
    ID,
    KEY,
    KEYS,
    MANAGEMENT_KEY,
    NEW_KEY,
    NEW_MANAGEMENT_KEY,
    SHOWN_LIMITS,
    TEAM,
    TEAMS,
    deleted,
)
from keys.requests import KeySerializer, RotationSerializer, TeamSerializer
from keys.usage import GROUPS

section(
    "Managing",
    """
Calls below `/v1/admin/` take a management key (`condt_admin_…`), which opens nothing else. It has scopes: `read` (every GET), `keys`
(keys and teams), `money` (their budgets and price factors), `operate` (tasks, pauses, accounts at MiniMax); 403 `scope_not_allowed` names
the one that is missing. Each change is a row of the audit.
""",
    order=6,
)
tag("Management: keys and teams", "Virtual keys, teams, their limits and budgets, and what they used.", order=60)
TAG = "Management: keys and teams"

PAGE = page(ID)
LOCATION: Mapping[str, Shape] = {"Location": text("Where it is.", "/v1/admin/keys/7")}

_BUDGETS = {
    "budgets": "All the budgets that it shall have: one that is left out is deleted. Takes the scope `money`.",
    "budgets.period": "How long it runs before it begins anew; `total`: for good.",
    "budgets.time_zone": "The IANA time zone whose days, weeks and months are meant.",
    "budgets.amount": "USD.",
    "budgets.raised_to": "USD for a time instead; goes with `raised_until`.",
    "budgets.raised_until": "Until when it is raised.",
}
_KEY_WORDS = _BUDGETS | {
    "name": "For people; each key has a name of its own.",
    "team": "The id of its team, or null.",
    "enabled": "Whether it is let in.",
    "expires_at": "From when on it is refused; null: never.",
    "contact_email": "Where mail about it goes: of its budgets, keys that are about to end, webhooks that stop. Null: nowhere.",
    "limits": "Each limit of its own; of a change, what is left out stays.",
    **{f"limits.{name}": str(shape["description"]) for name, shape in SHOWN_LIMITS.items()},
    "limits.price_factor": f"{SHOWN_LIMITS['price_factor']['description']} Takes the scope `money`.",
}
_A_BUDGET = {"period": "monthly", "time_zone": "Europe/Berlin", "amount": "50.00"}
_KEY_EXAMPLE = {
    "name": "cutting room",
    "team": 3,
    "limits": {"creates_per_minute": 60, "models": ["minimax-video"]},
    "budgets": [_A_BUDGET],
}
_TEAM_WORDS = _BUDGETS | {
    "contact_email": "Where mail about it goes: of its budgets, keys that are about to end, webhooks that stop. Null: nowhere.",
    "name": "For people; each team has a name of its own.",
    "price_factor": "What its keys pay that have none of their own, as a multiple of the list price. Takes the scope `money`.",
    "weight": "Its share while MiniMax takes less than is asked for.",
}
_ROTATION = Body(
    RotationSerializer,
    "Rotation",
    {"grace_seconds": "How long the old secret works on: at most 30 days."},
    {"grace_seconds": 3600},
    required=False,
)
_ROTATED = "A new secret at once; the old one works for `grace_seconds`."

describe(
    "GET /v1/admin/key",
    Operation(
        tag=TAG,
        summary="Read the management key",
        about="The management key that the call comes with. Takes no scope.",
        answers={200: Answer("The management key.", MANAGEMENT_KEY)},
    ),
)
describe(
    "POST /v1/admin/key/rotate",
    Operation(
        tag=TAG,
        summary="Rotate the management key",
        about=f"{_ROTATED} The old one rotates nothing more. Takes no scope.",
        body=_ROTATION,
        answers={200: Answer("The management key, with its new secret.", NEW_MANAGEMENT_KEY)},
        errors=("conflict",),
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/admin/keys",
    Operation(
        tag=TAG,
        summary="List keys",
        about="Virtual keys that were not deleted, newest first.",
        query=(query("team", whole("The id of a team: its keys alone.", 3)), *PAGE),
        answers={200: Answer("A page of keys.", KEYS)},
    ),
)
describe(
    "POST /v1/admin/keys",
    Operation(
        tag=TAG,
        summary="Make a key",
        about="A virtual key with its limits and budgets. Its secret is in this answer and nowhere else.",
        body=Body(KeySerializer, "NewKey", _KEY_WORDS, _KEY_EXAMPLE),
        answers={201: Answer("The key, with its secret.", NEW_KEY, headers=LOCATION)},
        errors=("conflict",),
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/admin/keys/{key_id}",
    Operation(
        tag=TAG,
        summary="Read a key",
        about="One virtual key, a deleted one too.",
        answers={200: Answer("The key.", KEY)},
        errors=("not_found",),
    ),
)
describe(
    "PATCH /v1/admin/keys/{key_id}",
    Operation(
        tag=TAG,
        summary="Change a key",
        about="What is left out stays; null lifts a limit. `budgets` are all that it shall have. Takes the scope `keys`, and `money` for "
        "budgets and price factor.",
        body=Body(KeySerializer, "KeyChange", _KEY_WORDS, {"enabled": False, "limits": {"tasks_in_flight": None}}, partial=True),
        answers={200: Answer("The key as it is now.", KEY)},
        errors=("not_found", "conflict"),
    ),
)
describe(
    "DELETE /v1/admin/keys/{key_id}",
    Operation(
        tag=TAG,
        summary="Delete a key",
        about="It is refused from now on, and cannot be brought back. Its tasks go on, and its usage stays.",
        answers={200: Answer("The key, with `deleted_at`.", KEY)},
        errors=("not_found", "conflict"),
    ),
)
describe(
    "POST /v1/admin/keys/{key_id}/rotate",
    Operation(
        tag=TAG,
        summary="Rotate a key",
        about=f"{_ROTATED} At most ten secrets of a key work at once.",
        body=_ROTATION,
        answers={200: Answer("The key, with its new secret.", NEW_KEY)},
        errors=("not_found", "conflict"),
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/admin/keys/{key_id}/client_tokens",
    Operation(
        tag=TAG,
        summary="List a key's client tokens",
        about="Those that have not ended, newest first.",
        query=PAGE,
        answers={200: Answer("A page of tokens.", CLIENT_TOKENS)},
        errors=("not_found",),
    ),
)
describe(
    "DELETE /v1/admin/keys/{key_id}/client_tokens",
    Operation(
        tag=TAG,
        summary="End a key's client tokens",
        about="All of them, at once.",
        answers={
            200: Answer(
                "How many.",
                record(
                    "How many ended.",
                    {
                        "object": constant("client_tokens", "What this is."),
                        "key": whole("The key's id.", 7),
                        "ended": whole("Tokens that ended.", 2),
                    },
                ),
            )
        },
        errors=("not_found",),
    ),
)
describe(
    "GET /v1/admin/teams",
    Operation(
        tag=TAG,
        summary="List teams",
        about="Teams, newest first.",
        query=PAGE,
        answers={200: Answer("A page of teams.", TEAMS)},
    ),
)
describe(
    "POST /v1/admin/teams",
    Operation(
        tag=TAG,
        summary="Make a team",
        about="A team, whose budgets bind all its keys together.",
        body=Body(TeamSerializer, "NewTeam", _TEAM_WORDS, {"name": "Films", "budgets": [_A_BUDGET]}),
        answers={201: Answer("The team.", TEAM, headers={"Location": text("Where it is.", "/v1/admin/teams/3")})},
        errors=("conflict",),
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/admin/teams/{team_id}",
    Operation(
        tag=TAG,
        summary="Read a team",
        about="One team with its budgets.",
        answers={200: Answer("The team.", TEAM)},
        errors=("not_found",),
    ),
)
describe(
    "PATCH /v1/admin/teams/{team_id}",
    Operation(
        tag=TAG,
        summary="Change a team",
        about="What is left out stays. `budgets` are all that it shall have.",
        body=Body(TeamSerializer, "TeamChange", _TEAM_WORDS, {"name": "Films and series"}, partial=True),
        answers={200: Answer("The team as it is now.", TEAM)},
        errors=("not_found", "conflict"),
    ),
)
describe(
    "DELETE /v1/admin/teams/{team_id}",
    Operation(
        tag=TAG,
        summary="Delete a team",
        about="One without keys. A team that has keys, even deleted ones, can only be renamed.",
        answers={200: Answer("What was deleted.", deleted("team"))},
        errors=("not_found", "conflict"),
    ),
)
describe(
    "GET /v1/admin/usage",
    Operation(
        tag=TAG,
        summary="Read what everybody used",
        about="As `GET /v1/usage`, for all keys, or those of a key or team.",
        query=(
            *usage_parameters(tuple(GROUPS)),
            query("key", whole("The id of a key: its movements alone.", 7)),
            query("team", whole("The id of a team: movements of its keys while they were in it.", 3)),
        ),
        answers={200: Answer("The sums.", ADMIN_USAGE, others=CSV, headers=CSV_HEADERS)},
    ),
)
