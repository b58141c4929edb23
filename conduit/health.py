"""How this process is, and how the place is: for supervisors, for balancers, and for people."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from rest_framework.request import Request

from conduit import heartbeats
from conduit.api.errors import ApiError, response_for
from conduit.api.network import client_address
from conduit.api.openapi.operations import Answer, Operation, describe
from conduit.api.openapi.shapes import Shape, flag, listed, moment, named, or_null, record, text, word
from conduit.api.openapi.story import tag
from conduit.api.pacing import Pace
from conduit.api.views import read_only
from conduit.conditions import Severity
from conduit.conditions.drains import is_drained
from conduit.conditions.reading import State, place
from conduit.console.security.entry import may_enter
from conduit.web import draining
from keys.authentication import secret_of
from keys.limits import check_address
from keys.management_authentication import authenticate_management_secret
from keys.models import Scope
from keys.scopes import require
from keys.services import MANAGEMENT_PREFIX

NOT_KEPT = {"Cache-Control": "no-store"}
# Of `/health`, for each address and web process; all addresses together ten times as much.
pace = Pace(per_second=5, burst=20, times_in_all=10)


@read_only
def ready(request: HttpRequest) -> JsonResponse:
    """200 while a balancer may send requests here; else 503, with what keeps this process from serving them."""
    because = ["draining"] if draining.has_begun() else [*readiness.missing(), *(["drained"] if _is_drained() else [])]
    if because:
        return JsonResponse({"status": "unavailable", "because": because}, status=503, headers=NOT_KEPT)
    return JsonResponse({"status": "ok"}, headers=NOT_KEPT)


@read_only
def whole(request: HttpRequest) -> JsonResponse:
    """How the place is, as it was kept: each condition and whether it holds; to operators all that is known of it.

    503 while something holds because of which no videos are made, else 200.
    """
    try:
        pace.count(client_address(request))
    except ApiError as refusal:
        return response_for(refusal)
    now = place()
    severity = now.severity or Severity.NOTICE
    body: dict[str, Any] = {"status": "ok" if severity is Severity.NOTICE else severity.word}
    show = _to_a_stranger
    if now.is_known and is_an_operator(request):
        body["looked_at"] = now.looked_at
        show = _to_an_operator
    body["conditions"] = {state.condition.name: show(state) for state in now.states}
    return JsonResponse(body, status=503 if severity is Severity.UNAVAILABLE else 200, headers=NOT_KEPT)


def _to_a_stranger(state: State) -> dict[str, Any]:
    return {"holds": state.holds}


def _to_an_operator(state: State) -> dict[str, Any]:
    condition = state.condition
    return {
        "holds": state.holds,
        "severity": condition.severity.word,
        "says": condition.says,
        "found_by": condition.found_by,
        "what_to_do": condition.what_to_do,
        "subjects": [{"subject": one.subject, "detail": one.detail, "since": one.since} for one in state.subjects],
    }


def is_an_operator(request: HttpRequest) -> bool:
    """A management key that may read, or a log-in to the console. Any other caller is a stranger, and refused nothing.

    The call is not counted as the key's: that would ask Redis, and `pace` bounds it.
    """
    try:
        if "Authorization" in request.headers or "X-API-Key" in request.headers:
            key = authenticate_management_secret(secret_of(Request(request), prefix=MANAGEMENT_PREFIX))
            check_address(key, client_address(request))
            require(key, Scope.READ)
            return True
        return bool(getattr(request, "user", None) and may_enter(request.user, request.session))
    except (ApiError, Error):
        return False


def _is_drained() -> bool:
    try:
        return is_drained()
    except Error:
        return False


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _redis_answers() -> bool:
    return settings.LIMITS_FAIL_OPEN or heartbeats.redis_answers()


class Readiness:
    """Whether what every request needs answers, asked at most twice a second however many ask us.

    Redis is among it only where calls are refused without it (LIMITS_FAIL_OPEN).
    """

    FRESH_SECONDS = 0.5
    # A request that comes while another finds out waits so long; what is not known by then does not answer.
    PATIENCE_SECONDS = 3.0

    def __init__(self, checks: dict[str, Callable[[], bool]]) -> None:
        self._checks = checks
        self._lock = threading.Lock()
        self._known: Sequence[str] = ()
        self._known_until = 0.0

    def missing(self) -> Sequence[str]:
        if not self._lock.acquire(timeout=self.PATIENCE_SECONDS):
            return ["database"]
        try:
            if time.monotonic() >= self._known_until:
                self._known = [name for name, check in self._checks.items() if not _answers(check)]
                self._known_until = time.monotonic() + self.FRESH_SECONDS
            return self._known
        finally:
            self._lock.release()


def _answers(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (Error, redis.RedisError):
        return False


readiness = Readiness({"database": _database_answers, "redis": _redis_answers})


# ---- What the API's document says of it (conduit.api.openapi) -----------------------------------------------------------


_CONDITION: Shape = record(
    "A condition; to operators all that is known of it.",
    {
        "holds": or_null(flag("Whether it holds; null: not known.", False)),
        "severity": word("What it means.", [severity.word for severity in Severity], "degraded"),
        "says": text("What holds then.", "A lane's steps are late."),
        "found_by": text("How it is found.", "Steps have been due for more than a minute."),
        "what_to_do": text("What to do about it.", "Start more workers of that lane."),
        "subjects": listed(
            "Of what it holds.",
            record(
                "One of them.",
                {
                    "subject": text("What it is about.", "media"),
                    "detail": text("More of it.", "6 steps are late."),
                    "since": or_null(moment("Since when.")),
                },
            ),
        ),
    },
    optional=("severity", "says", "found_by", "what_to_do", "subjects"),
)
_PLACE: Shape = record(
    "How the place is.",
    {
        "status": word("`unavailable`: no videos are made.", ("ok", "degraded", "unavailable")),
        "looked_at": or_null(moment("When somebody looked last; to operators alone.")),
        "conditions": named("Each condition by its name.", _CONDITION, {"database": {"holds": False}}),
    },
    optional=("looked_at",),
)
_STATUS: Shape = record("How this process is.", {"status": word("Whether it serves.", ("ok",))})
_BECAUSE: Shape = record(
    "Why not.",
    {
        "status": word("Whether it serves.", ("unavailable",)),
        "because": listed("What keeps it.", word("One reason.", ("database", "redis", "draining", "drained"))),
    },
)

tag("Health", "How processes and the place are: for supervisors, balancers, monitors and people.", order=90)
describe(
    "GET /health",
    Operation(
        tag="Health",
        summary="How the place is",
        about="Each condition and whether it holds. To a management key (scope `read`) or a login of the console, all that is known of it.",
        answers={200: Answer("Videos are made.", _PLACE), 503: Answer("No videos are made.", _PLACE)},
        errors=("rate_limit_exceeded",),
    ),
)
describe(
    "GET /health/ready",
    Operation(
        tag="Health",
        summary="Whether a balancer may send requests here",
        about="Of this process alone.",
        answers={200: Answer("It may.", _STATUS), 503: Answer("It may not.", _BECAUSE)},
    ),
)
describe(
    "GET /health/live",
    Operation(
        tag="Health",
        summary="Whether the process lives",
        about="Answered at once, by the event loop; it asks nobody.",
        answers={200: Answer("It does.", _STATUS)},
    ),
)
