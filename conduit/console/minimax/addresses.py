"""Where calls to MiniMax are in the console."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

# How an address says that calls are about no model.
NO_MODEL = "-"


def calls_address(span: str, *, model: str | None = None, answer: Any = None, code: int | None = None) -> str:
    """The calls within a span of Now, of one model at MiniMax (empty: about none), with that answer and code; None is any."""
    named = {"span": span, "model": NO_MODEL if model == "" else model, "answer": answer and str(answer), "code": code}
    query = {name: value for name, value in named.items() if value is not None}
    return f"{reverse('admin:minimax-calls')}?{urlencode(query)}"
