"""One line in the log for each request, whatever answered it."""

import time

import structlog

from conduit.api.metrics import note_request
from conduit.logs import shortened

log = structlog.get_logger("conduit.request")

# What a client may make a line long with. Longer paths are no paths of ours.
METHOD_CHARACTERS_MAX = 20
PATH_CHARACTERS_MAX = 500


def log_request(*, method: str, path: str, status: int | None, began: float, client: str) -> None:
    """`path` is without its query: links and streams carry tokens there. `began` is by time.perf_counter()."""
    seconds = time.perf_counter() - began
    note_request(method=method, path=path, status=status, seconds=seconds)
    log.info(
        "request",
        method=shortened(method, METHOD_CHARACTERS_MAX),
        path=shortened(path, PATH_CHARACTERS_MAX),
        status=status,
        ms=round(seconds * 1000, 1),
        client=client,
    )
