"""What calls about keys, teams and budgets answer, and the errors that any key may meet."""

from collections.abc import Callable

from conduit.api.errors import Forbidden
from conduit.api.fields import NamedField, OneOfField, WholeField
from conduit.api.openapi.operations import path_parameter
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import (
    Shape,
    component,
    constant,
    currency,
    factor,
    flag,
    listed,
    moment,
    or_null,
    page_of,
    record,
    text,
    usd,
    uuid,
    whole,
    word,
)
from keys.budgets import InsufficientQuota
from keys.limits.fields import FactorField, NetworksField, PriceLimitField, PriorityField, SizeField, TextsField, WeightField
from keys.limits.table import LIMITS, KeyLimit
from keys.models import PRIORITY_MOST, WEIGHT_MOST, OverLimit, Period, Scope
from keys.usage import AMOUNTS, GROUPS, NET

problem(
    Forbidden,
    "The key may not be used from the address that the call came from.",
    "This key may not be used from 203.0.113.7.",
    code="ip_not_allowed",
)
problem(
    Forbidden,
    "The management key lacks the scope that the call takes.",
    "This management key may not read everything: it lacks the scope `read`. An administrator can give it that.",
    code="scope_not_allowed",
)
problem(
    InsufficientQuota,
    "A budget of the key or of its team has less left than the task costs.",
    "This key's daily budget of 0.30 USD has 0.10 USD left and this request costs 0.20 USD. The budget resets at 2027-02-01 00:00 UTC; "
    "your quota can be raised by an administrator.",
)
problem(
    Forbidden,
    "The key may not ask for this model.",
    "This key may not use that model. GET /v1/models lists those that it may.",
    code="model_not_allowed",
    param="model",
)

ID = whole("The id of a row.", 7)
path_parameter("key_id", whole("The id of a virtual key.", 7))
path_parameter("team_id", whole("The id of a team.", 3))

# How a limit is shown, by what is taken for it: the first that fits.
_SHAPES: tuple[tuple[type[NamedField], Callable[[KeyLimit], Shape]], ...] = (
    (WeightField, lambda limit: whole(limit.about, limit.example, minimum=1, maximum=WEIGHT_MOST)),
    (PriorityField, lambda limit: whole(limit.about, limit.example, minimum=0, maximum=PRIORITY_MOST)),
    (WholeField, lambda limit: or_null(whole(_or_null(limit), limit.example))),
    (OneOfField, lambda limit: word(limit.about, OverLimit.values)),
    (PriceLimitField, lambda limit: or_null(usd(_or_null(limit), limit.example))),
    (FactorField, lambda limit: or_null(factor(_or_null(limit), limit.example))),
    (SizeField, lambda limit: or_null(text(_or_null(limit), limit.example))),
    (NetworksField, lambda limit: listed(limit.about, text("One of them.", limit.example))),
    (TextsField, lambda limit: listed(limit.about, text("A name or an alias.", limit.example))),
)


def _or_null(limit: KeyLimit) -> str:
    return f"{limit.about} {limit.null}"


def _shape_of(limit: KeyLimit) -> Shape:
    field = limit.field()
    return next(shape(limit) for kind, shape in _SHAPES if isinstance(field, kind))


SHOWN_LIMITS: dict[str, Shape] = {limit.parameter: _shape_of(limit) for limit in LIMITS}
_OWN_LIMITS = {limit.parameter: SHOWN_LIMITS[limit.parameter] for limit in LIMITS if limit.is_told_to_holders}

BUDGET = component(
    "Budget",
    record(
        "A budget, in the period that runs now.",
        {
            "scope": word("Whose it is.", ("key", "team")),
            "period": word("How long it runs before it begins anew.", Period.values, "daily"),
            "time_zone": text("Whose days, weeks and months are meant.", "Europe/Berlin"),
            "amount": usd("What it allows.", "2.0000"),
            "raised_to": or_null(usd("What it allows for a time instead.", "5.0000"), null=True),
            "raised_until": or_null(moment("Until when."), null=True),
            "limit": usd("What counts now: the amount, or what it is raised to.", "2.0000"),
            "held": usd("Held by tasks under way."),
            "spent": usd("Spent in this period.", "0.4000"),
            "left": usd("What is left of it.", "1.4000"),
            "starts_at": or_null(moment("When the period began; null for a total.", "2027-01-31T00:00:00.000Z")),
            "resets_at": or_null(moment("When the next begins; null for a total.", "2027-02-01T00:00:00.000Z")),
        },
    ),
)
OWN_KEY = component(
    "OwnKey",
    record(
        "A virtual key, for who holds it.",
        {
            "object": constant("key", "What this is."),
            "name": text("Its name.", "cutting room"),
            "team": or_null(text("Its team's name.", "Films")),
            "created_at": moment("When it was made."),
            "expires_at": or_null(moment("From when on it is refused."), null=True),
            "limits": record("What binds it, as it counts.", _OWN_LIMITS),
            "in_flight": whole("Its tasks that are queued and processing.", 1),
            "budgets": listed("Its budgets, and its team's.", BUDGET),
            "currency": currency(),
        },
    ),
)
_SECRET = record(
    "A secret of the key, without the secret.",
    {
        "prefix": text("How it begins.", "condt_8fJk2a"),
        "created_at": moment("When it was made."),
        "expires_at": or_null(moment("When it ends after a rotation."), null=True),
    },
)
KEY_FIELDS: dict[str, Shape] = {
    "id": ID,
    "object": constant("key", "What this is."),
    "name": text("Its name.", "cutting room"),
    "team": or_null(whole("Its team's id.", 3)),
    "enabled": flag("Whether it is let in."),
    "expires_at": or_null(moment("From when on it is refused."), null=True),
    "deleted_at": or_null(moment("When it was deleted."), null=True),
    "created_at": moment("When it was made."),
    "last_used_at": or_null(moment("When it was last used, to the minute.")),
    "last_used_from": or_null(text("From which address.", "203.0.113.7")),
    "contact_email": or_null(text("Where mail about it goes.", "ann@example.com")),
    "secrets": listed("Its secrets that work.", _SECRET),
    "limits": record("Each limit of its own.", SHOWN_LIMITS),
    "budgets": listed("Its own budgets.", BUDGET),
}
_SHOWN_ONCE = {
    "secret": or_null(text("The secret. It is shown this once; null in the answer to a call that was sent again.", "condt_8fJk2aXW…")),
    "secret_note": text("Where it was, in that answer alone.", "The secret was in the first answer to this call, and is stored nowhere."),
}
KEY = component("Key", record("A virtual key, for who manages it.", KEY_FIELDS))
NEW_KEY = component("KeyWithSecret", record("A key with its new secret.", KEY_FIELDS | _SHOWN_ONCE, optional=("secret_note",)))
_MANAGEMENT_FIELDS: dict[str, Shape] = {
    "object": constant("management_key", "What this is."),
    "name": text("Its name.", "ops"),
    "prefix": text("How its secret begins.", "condt_admin_8fJk2a"),
    "scopes": listed("What it may do.", word("A scope.", Scope.values)),
    "created_at": moment("When it was made."),
    "expires_at": or_null(moment("From when on it is refused."), null=True),
    "old_secret_ends_at": or_null(moment("When the secret before it ends, after a rotation."), null=True),
    "limits": record(
        "What binds it.",
        {
            "calls_per_minute": whole("Calls in any minute.", 600),
            "ip_ranges": listed("Addresses and networks that it may come from. Empty: all.", text("One of them.", "10.0.0.0/8")),
        },
    ),
}
MANAGEMENT_KEY = component("ManagementKey", record("A management key, for who holds it.", _MANAGEMENT_FIELDS))
NEW_MANAGEMENT_KEY = component(
    "ManagementKeyWithSecret", record("A management key with its new secret.", _MANAGEMENT_FIELDS | _SHOWN_ONCE, optional=("secret_note",))
)
_TOKEN_FIELDS: dict[str, Shape] = {
    "object": constant("client_token", "What this is."),
    "created_at": moment("When it was made."),
    "expires_at": moment("When it ends."),
    "task_id": or_null(uuid("The one task that it reads; null: all of the key."), null=True),
    "create": or_null(
        record(
            "What it may make; null: nothing.",
            {
                "tasks": whole("Tasks.", 3),
                "usd": or_null(usd("For how much together; null: what the key may spend.", "1.0000")),
                "models": listed("Of which models. Empty: those of the key.", text("A name.", "minimax-video")),
                "tasks_left": whole("How many are left, where the token itself asks.", 2),
                "usd_left": or_null(usd("How much is left.", "0.8000")),
            },
            optional=("tasks_left", "usd_left"),
        )
    ),
}
CLIENT_TOKEN = component("ClientToken", record("A client token, without the token.", _TOKEN_FIELDS))
NEW_CLIENT_TOKEN = component(
    "NewClientToken",
    record("A client token.", {"token": text("The token. It is shown this once.", "condt_ct_8fJk2aXW")} | _TOKEN_FIELDS),
)
MANAGED_CLIENT_TOKEN = component(
    "ManagedClientToken",
    record(
        "A client token, for who manages its key.",
        {
            "id": ID,
            "prefix": text("How it begins.", "condt_ct_8fJk"),
            "secret": text("How the secret begins that made it.", "condt_8fJk2a"),
            "tasks_made": or_null(whole("Tasks that it made.", 1)),
        }
        | _TOKEN_FIELDS,
    ),
)
CLIENT_TOKENS = component("ClientTokenList", page_of(MANAGED_CLIENT_TOKEN, "Client tokens, newest first.", id_shape=ID))
TEAM = component(
    "Team",
    record(
        "A team of keys.",
        {
            "id": whole("Its id.", 3),
            "object": constant("team", "What this is."),
            "name": text("Its name.", "Films"),
            "created_at": moment("When it was made."),
            "price_factor": or_null(factor("What its keys pay that have none of their own, as a multiple of the list price.", "0.9")),
            "weight": whole("Its share while MiniMax takes less than is asked for.", 1, minimum=1, maximum=WEIGHT_MOST),
            "contact_email": or_null(text("Where mail about it goes.", "films@example.com")),
            "budgets": listed("Its budgets, which bind all its keys together.", BUDGET),
        },
    ),
)
KEYS = component("KeyList", page_of(KEY, "Keys, newest first.", id_shape=ID))
TEAMS = component("TeamList", page_of(TEAM, "Teams, newest first.", id_shape=ID))


def deleted(kind: str) -> Shape:
    """What the deletion of a row answers."""
    return record(
        "What was deleted.",
        {"id": ID, "object": constant(kind, "What it was."), "deleted": constant(True, "That it is gone.")},
    )


_AMOUNTS = {
    "estimated": "Prices of tasks that were created.",
    "charged": "Charged for tasks that ended.",
    "released": "Held and given back.",
    "refunded": "Given back after it was charged.",
    "credited": "Credited to the key.",
    "adjusted": "Adjusted by an administrator.",
    NET: "Charged less refunded.",
}
_SUMS: dict[str, Shape] = {
    "tasks": whole("Tasks created.", 12),
    **{name: usd(_AMOUNTS[name], "2.4000") for name in (*AMOUNTS, NET)},
}
_GROUP_FIELDS: dict[str, Shape] = {
    "day": text("The day, in the zone that was asked for.", "2027-01-31", format="date"),
    "model": or_null(text("The name that was asked for; null for what no task was, such as credits.", "minimax-video")),
    "status": or_null(text("How the tasks stand.", "completed")),
    "key_id": whole("The key's id.", 7),
    "key_name": text("The key's name.", "cutting room"),
    "team_id": or_null(whole("The team's id; null: of no team.", 3)),
    "team_name": or_null(text("The team's name.", "Films")),
}


def usage_of(groups: tuple[str, ...]) -> Shape:
    columns = {name: _GROUP_FIELDS[name] for group in groups for name in GROUPS[group]}
    return record(
        "What was used in a span of time. A sum belongs to the day its movement was made.",
        {
            "object": constant("usage", "What this is."),
            "from": moment("Where the span begins.", "2027-01-01T00:00:00.000Z"),
            "to": moment("Where it ends."),
            "group_by": word("What each row is of.", groups),
            "time_zone": text("Whose days are meant.", "UTC"),
            "currency": currency(),
            "data": listed(
                "A row for each group; it has the columns of the group that was asked for.",
                record("A row.", columns | _SUMS, optional=tuple(columns)) | {"examples": [_row_example()]},
            ),
            "total": record("All rows together.", _SUMS),
        },
    )


def _row_example() -> dict[str, object]:
    return {"day": "2027-01-31", "tasks": 12, **dict.fromkeys((*AMOUNTS, NET), "2.4000")}


USAGE = component("Usage", usage_of(("day", "model", "status")))
ADMIN_USAGE = component("AdminUsage", usage_of(tuple(GROUPS)))
