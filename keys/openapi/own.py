"""Of `keys.views`."""

from collections.abc import Mapping
from typing import Any

from conduit.api.openapi.operations import Answer, Operation, Parameter, describe, query
from conduit.api.openapi.shapes import Shape, text, word
from conduit.api.openapi.story import section, tag
from keys.openapi.shapes import CLIENT_TOKEN, OWN_KEY, USAGE
from keys.usage import CONSUMER_GROUPS

section(
    "Limits and money",
    """
A key may have limits of calls, of tasks and of money, and a refusal names the one that was met: 429 `rate_limit_exceeded` and
`concurrency_limit_exceeded`, 402 `insufficient_quota`, 403 `model_not_allowed`, 400 where one task is too long, too large or too
expensive. `X-RateLimit-*-Requests` on every counted call tell the tightest limit of calls; `GET /v1/key` tells all of them, and what each
budget has left. Creating a task *holds* its price; completion charges it, failure gives it back, a cancel charges the share that was
already sent to MiniMax.
""",
    order=4,
)
tag("Key", "The key that a call comes with: its limits, its budgets, what it used.", order=40)

CSV: Mapping[str, Any] = {
    "text/csv": {
        "schema": text("The same rows as CSV, the names of the columns first.", "day,tasks,estimated"),
        "example": "day,tasks,estimated,charged,released,refunded,credited,adjusted,net,currency\r\n",
    }
}
CSV_HEADERS: Mapping[str, Shape] = {
    "Content-Disposition": text("Of CSV: the file's name.", 'attachment; filename="usage.csv"'),
    "Vary": text("JSON or CSV is chosen by `Accept`, too.", "Accept"),
}


def usage_parameters(groups: tuple[str, ...]) -> tuple[Parameter, ...]:
    return (
        query("from", text("A date or moment: where the span begins. Unset: thirty days before its end.", "2027-01-01")),
        query("to", text("Where it ends; a date includes its day. Unset: now. At most 366 days after `from`.", "2027-01-31")),
        query("group_by", word("What each row is of. Unset: day.", groups)),
        query("time_zone", text("The IANA time zone whose days are meant. Unset: UTC.", "Europe/Berlin")),
        query("format", word("JSON or CSV. Unset: what `Accept` prefers.", ("json", "csv"))),
        query("bom", word("With CSV: `1` begins with the mark by which spreadsheets know UTF-8.", ("0", "1"))),
    )


describe(
    "GET /v1/key",
    Operation(
        tag="Key",
        summary="Read the key",
        about="The key that the call comes with: its limits as they count, its tasks in flight, and each budget of it and its team. "
        "A client token reads its own bounds, and what is left of them.",
        answers={200: Answer("The key.", {"anyOf": [OWN_KEY, CLIENT_TOKEN]})},
        errors=("invalid_request",),
    ),
)
describe(
    "GET /v1/usage",
    Operation(
        tag="Key",
        summary="Read what was used",
        about="Sums of the key's movements of money by day, model or status, as JSON or CSV.",
        query=usage_parameters(CONSUMER_GROUPS),
        answers={200: Answer("The sums.", USAGE, others=CSV, headers=CSV_HEADERS)},
    ),
)
