"""Calls that schemathesis makes up from /openapi.json, as they should be and as they should not be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from conduit.api.openapi.served import document

# Of the document alone: what is made up needs no place.
BASE = "http://testserver"
# Calls that reach out of the place.
CALL_OUT = frozenset({
    "POST /v1/admin/accounts/{account_id}/test", "POST /v1/webhook_endpoints/{endpoint_id}/test",
    "POST /v1/admin/webhook_endpoints/{endpoint_id}/test",
})  # fmt: skip

Send = Callable[[requests.PreparedRequest], None]


def operations() -> dict[str, Any]:
    """Each call of the document by its method and path."""
    schema = schemathesis.openapi.from_dict(document())
    found: list[Any] = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def try_out(operation: Any, send: Send, *, examples: int, there: Mapping[str, Sequence[object]], secret: str) -> None:
    """Make up so many calls, the same ones each time. `there`: ids that there are, by their name in the path: every other call has one."""
    modes = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

    @hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=st.one_of(modes), pick=st.integers(0, 7))
    def once(case: Any, pick: int) -> None:
        for name, ids in there.items():
            if pick % 2 and name in (case.path_parameters or {}):
                case.path_parameters[name] = str(ids[pick % len(ids)])
        send(_prepared(case, secret))

    once()


def _prepared(case: Any, secret: str) -> requests.PreparedRequest:
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {secret}"}
    asked = case.as_transport_kwargs(base_url=BASE)
    return requests.Request(**{name: asked[name] for name in _TAKEN if name in asked}).prepare()


_TAKEN = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
