"""How a call is told that a limit is reached."""

import math
from dataclasses import dataclass

from conduit.api.errors import ApiError


class RateLimited(ApiError):
    """Too much at once. The message says when to come back, as does Retry-After (whole seconds)."""

    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int, limit: int, code: str | None = None) -> None:
        """`limit`: how many the limit that was reached allows."""
        self.rate = RateState(limit, 0, retry_after)
        super().__init__(message, code=code, headers={"Retry-After": str(retry_after)} | self.rate.headers)


@dataclass(frozen=True)
class RateState:
    """How a call stands to the tightest limit of its key, itself included; of a refused call, to the limit that it met."""

    limit: int
    remaining: int
    reset: int  # seconds until a place more is free
    wait: float = 0  # seconds until the call may go on: it came a moment too early, and has its place

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit-Requests": str(self.limit),
            "X-RateLimit-Remaining-Requests": str(self.remaining),
            "X-RateLimit-Reset-Requests": str(self.reset),
        }


def in_words(seconds: int) -> str:
    if seconds < 120:
        return in_seconds(seconds)
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"


def in_seconds(seconds: int) -> str:
    return f"{seconds} second{'' if seconds == 1 else 's'}"
