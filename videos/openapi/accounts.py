"""Of `videos.accounts.api`."""

from conduit.api.openapi.operations import Answer, Body, Operation, describe, path_parameter
from conduit.api.openapi.shapes import (
    component,
    constant,
    flag,
    listed,
    moment,
    number,
    or_null,
    page_of,
    record,
    text,
    usd,
    whole,
    word,
)
from conduit.api.openapi.story import tag
from keys.openapi.shapes import deleted
from tasks.openapi.management import PAGE
from videos.account_models import WEIGHT_MOST, AccountKind, AccountState, AsideFor
from videos.accounts.api import AccountChange, NewAccount
from videos.inputs import all_roles

TAG = "Management: accounts"
tag(TAG, "The accounts at MiniMax.", order=73)
path_parameter("account_id", whole("The id of an account.", 3))

_ID = whole("The id of an account.", 3)
_HEALTH = record(
    "How it is.",
    {
        "set_aside_for": or_null(word("Why nothing is ordered with it.", AsideFor.values), null=True),
        "since": or_null(moment("Since when."), null=True),
        "provider_code": or_null(whole("MiniMax's code of the last answer.", 1008), null=True),
        "message": or_null(text("MiniMax's words.", "insufficient balance"), null=True),
        "next_try_at": or_null(moment("When a waiting task tries it next."), null=True),
        "models_not_in_plan": listed("MiniMax's models that its plan does not have.", text("A model.", "MiniMax-H3")),
        "seconds_between_questions": number("How often each job is asked for.", 10.0),
        "creates_per_minute": or_null(number("The pace that was found.", 20.0)),
    },
)
ACCOUNT = component(
    "Account",
    record(
        "An account at MiniMax. Its key is never shown.",
        {
            "id": _ID,
            "object": constant("account", "What this is."),
            "name": text("Its name.", "east"),
            "kind": word("What is spoken there.", AccountKind.values),
            "base_url": text("Where it is.", "https://api.minimax.io"),
            "from_environment": flag("Whether its key and address are the environment's.", False),
            "has_key": flag("Whether it has a key."),
            "key_set_at": or_null(moment("When its key was last set.")),
            "state": word("What is done with it.", AccountState.values),
            "models": listed("Models that it may make, by our names. Empty: all of its kind.", text("A model.", "video-01")),
            "inputs": listed("Pictures that it may be given with a clip.", word("A role.", all_roles())),
            "weight": whole("Its share of the work.", 10, minimum=1, maximum=WEIGHT_MOST),
            "creates_per_minute": or_null(whole("What its plan allows; null: as much as MiniMax takes.", 20)),
            "jobs_in_flight": or_null(whole("Jobs that it may have at once; null: any number.", 10)),
            "monthly_limit": or_null(usd("What it may bill in a month; null: any amount.", "500.0000")),
            "health": _HEALTH,
            "in_flight": whole("Jobs that it has.", 2),
            "spent_this_month": usd("What it bills this month.", "61.0200"),
            "created_at": moment("When it was made."),
        },
    ),
)
_WORDS = {
    "name": "For people; each account has a name of its own.",
    "kind": "What is spoken there: `minimax_v1` (video-01, Hailuo, images), `minimax_v2` (H3).",
    "base_url": "Where it is; a path is kept, `/v1` at the end left out.",
    "key": "Its key at MiniMax. It is stored sealed, and never given back.",
    "state": "`on`; `draining`: nothing new is ordered; `off`: it is not called.",
    "models": "Models that it may make, by our names. Null or empty: all of its kind.",
    "inputs": "Pictures that it may be given with a clip, by their role.",
    "weight": "Its share of the work.",
    "creates_per_minute": "What its plan allows. Null: as much as MiniMax takes.",
    "jobs_in_flight": "Jobs that it may have at once. Null: any number.",
    "monthly_limit": "USD that it may bill for the jobs of a month. Null: any amount.",
}
_NEW = {"name": "east", "kind": "minimax_v1", "base_url": "https://api.minimax.io", "key": "eyJhbGciOi", "creates_per_minute": 20}

describe(
    "GET /v1/admin/accounts",
    Operation(
        tag=TAG,
        summary="List accounts",
        about="Accounts at MiniMax, newest first.",
        query=PAGE,
        answers={200: Answer("A page of accounts.", component("AccountList", page_of(ACCOUNT, "Accounts, newest first.", id_shape=_ID)))},
    ),
)
describe(
    "POST /v1/admin/accounts",
    Operation(
        tag=TAG,
        summary="Add an account",
        about="It is used from the next order on.",
        body=Body(NewAccount, "NewAccount", _WORDS, _NEW),
        answers={201: Answer("The account.", ACCOUNT, headers={"Location": text("Where it is.", "/v1/admin/accounts/3")})},
        is_idempotent=True,
    ),
)
describe(
    "GET /v1/admin/accounts/{account_id}",
    Operation(
        tag=TAG, summary="Read an account", about="One account.", answers={200: Answer("The account.", ACCOUNT)}, errors=("not_found",)
    ),
)
describe(
    "PATCH /v1/admin/accounts/{account_id}",
    Operation(
        tag=TAG,
        summary="Change an account",
        about="What is left out stays. Another key or address, or switching it on, ends what was held against it.",
        body=Body(AccountChange, "AccountChange", _WORDS, {"state": "draining"}, partial=True),
        answers={200: Answer("The account as it is now.", ACCOUNT)},
        errors=("not_found",),
    ),
)
describe(
    "DELETE /v1/admin/accounts/{account_id}",
    Operation(
        tag=TAG,
        summary="Delete an account",
        about="One that has made nothing. Others, and the environment's, can be switched off.",
        answers={
            200: Answer("What was deleted.", deleted("account")),
        },
        errors=("not_found", "conflict"),
    ),
)
describe(
    "POST /v1/admin/accounts/{account_id}/test",
    Operation(
        tag=TAG,
        summary="Test an account",
        about="Asks MiniMax what costs nothing. Whether the balance suffices only an order tells.",
        answers={
            200: Answer(
                "What came of it.",
                component(
                    "AccountTest",
                    record(
                        "What came of a test.",
                        {
                            "object": constant("account_test", "What this is."),
                            "ok": flag("Whether it is well."),
                            "message": text("What MiniMax said.", "MiniMax answers, and takes the key."),
                            "milliseconds": whole("How long it took.", 212),
                        },
                    ),
                ),
            )
        },
        errors=("not_found",),
    ),
)
