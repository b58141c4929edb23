"""What Microsoft's client sees of ASP.NET Core in each case of node/cases.mjs, and so of this server."""

from typing import Any

from tests.signalr.wires import Wire

UNKNOWN = "Failed to invoke '{}' due to an error on the server. HubException: Method does not exist."
CASES: dict[str, Any] = {
    "beside": [3, "beside", 42],
    "burst": 400,
    "upload": [100, 3_000_000],
    "cancelled": ["undefined", 1, 1],
    "close": [None, None, True],
    "texts": [
        UNKNOWN.format("Nope"),
        UNKNOWN.format("on_connected"),
        "An unexpected error occurred invoking 'Sum' on the server. HubException: Client sent 2 stream(s), Hub method expects 1.",
        None,
    ],
    "times": None,
}


def expected(case: str, wire: Wire) -> Any:
    if case == "times":
        return [{"date": "2026-01-03T03:04:05.120Z"}] * 2 if wire.is_binary else ["2026-01-03T03:04:05.12Z"] * 2
    return CASES[case]
