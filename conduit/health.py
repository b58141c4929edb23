"""What a load balancer and an operator ask first."""

from collections.abc import Callable

import redis
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse

from conduit import liveness
from conduit.api.views import read_only
from videos.health import waiting_for_operator


@read_only
def ready(request: HttpRequest) -> JsonResponse:
    """200 when videos can be made: database and Redis answer and workers and ticks were heard lately; else 503 and what is missing.

    Tasks that wait for an operator (MiniMax's key or balance) make it `degraded`, still 200: requests are accepted.
    """
    checks = {name: _state(check) for name, check in CHECKS.items()}
    sound = all(state == "ok" for state in checks.values())
    waiting = waiting_for_operator() if checks["database"] == "ok" else {}
    status = "unavailable" if not sound else "degraded" if waiting else "ok"
    body = {"status": status, "checks": checks, "provider": {"status": "waiting" if waiting else "ok", "tasks": waiting}}
    return JsonResponse(body, status=200 if sound else 503, headers={"Cache-Control": "no-store"})


def _state(check: Callable[[], bool]) -> str:
    try:
        return "ok" if check() else "not heard lately"
    except (Error, redis.RedisError):
        return "does not answer"


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database_answers,
    "redis": liveness.redis_answers,
    "worker": lambda: liveness.heard_lately("provider"),
    "media_worker": lambda: liveness.heard_lately("media"),
    "ticks": lambda: liveness.heard_lately("ticks"),
}
