"""The seats of a key's connections: the hub's, WebSockets and server-sent events together."""

from functools import lru_cache

from django.conf import settings

from conduit.api.errors import ApiError
from conduit.redis_client import brief_client
from conduit.streams.breaker import breaker_of
from conduit.streams.seats import Full, LoopSeats, SharedSeats

# What a Redis that hangs costs a new connection at most, in seconds.
ANSWER_SECONDS = 0.5
RETRY_AFTER_SECONDS = 10
PREFIX = "conduit:streams:"


class TooManyConnections(ApiError, Full):
    """No seat for another connection."""

    status, type, code = 429, "rate_limit_error", "concurrency_limit_exceeded"

    def __init__(self, bound: int, *, of_owner: bool) -> None:
        of_key = f"You reached this key's rate limit of {bound} open connections. Close one, or wait until one ends."
        of_all = (
            "The service has no room for another connection right now: its rate limit of open connections is reached. Try again shortly."
        )
        ApiError.__init__(self, of_key if of_owner else of_all, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


@lru_cache
def _seats_at(url: str) -> LoopSeats:
    client = brief_client(url, seconds=ANSWER_SECONDS)
    return LoopSeats(SharedSeats(client, breaker_of(url), prefix=PREFIX, full=TooManyConnections))


def seats() -> LoopSeats:
    """This process's."""
    return _seats_at(settings.REDIS_URL)


def bounds() -> dict[str, int]:
    """How many there are, for one key and for all."""
    return {"of_owner": settings.STREAMS_PER_KEY, "in_all": settings.STREAMS_MAX}
