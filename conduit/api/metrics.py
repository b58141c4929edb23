"""What is told of requests (conduit.metrics): those that have a line in the log."""

from conduit.api.routes import route_of
from conduit.metrics import Count, Metric, Times, note, note_seconds
from conduit.metrics.registry import SHORT

REQUESTS = Count(
    "conduit_requests_total",
    "Requests that were answered; of WEBSOCKET connections those that ended, with the code of the close.",
    ("route", "method", "status"),
)
SECONDS = Times(
    "conduit_request_seconds",
    "Until a request was answered; of a stream until it began. WebSockets are not among it.",
    ("route",),
    bounds=SHORT,
)
METRICS: tuple[Metric, ...] = (REQUESTS, SECONDS)
WEBSOCKET, OTHER = "WEBSOCKET", "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", WEBSOCKET})


def note_request(*, method: str, path: str, status: int | None, seconds: float) -> None:
    """Takes no lock, and a few microseconds."""
    route = route_of(path)
    note(REQUESTS, route, method if method in _METHODS else OTHER, str(status or "none"))
    if method != WEBSOCKET:
        note_seconds(SECONDS, route, seconds=seconds)
