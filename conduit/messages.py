"""How Celery's messages age, without comparing the clocks of two hosts.

Celery's own `expires` is a moment by the sender's clock that the taker compares with its own: with a sender three seconds
behind, every tick would have expired before it was sent.
"""

from typing import Any

import redis
import structlog
from celery import Task
from django.conf import settings
from django.db import close_old_connections

from conduit import clock
from conduit.redis_client import shared_client

log = structlog.get_logger(__name__)

_GOOD_UNTIL, _ONCE_IN = "conduit_good_until", "conduit_once_in"
ANSWER_SECONDS = 1.0


def good_for(seconds: float) -> dict[str, Any]:
    """Headers of a message that is worth nothing after so long, by the database's clock."""
    return {_GOOD_UNTIL: clock.now().timestamp() + seconds}


def once_in(seconds: float) -> dict[str, Any]:
    """Headers of messages of which one in so many seconds is enough, by Redis's clock: for what beat sends.

    What piled up while nobody took it is worth one run. Make it less than the pause between two.
    """
    return {_ONCE_IN: seconds}


class TimelyTask(Task):
    """A job that is not run for a message that nobody needs any more. Called as a function it always runs.

    It takes over the connection to the database that the thread's last job had, unless that is old or broke: CONN_MAX_AGE.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.request.called_directly:
            close_old_connections()
        headers = self.request.headers or {}
        if _GOOD_UNTIL in headers and clock.now().timestamp() > headers[_GOOD_UNTIL]:
            return None
        if _ONCE_IN in headers and not _is_first(self.name, headers[_ONCE_IN]):
            return None
        return super().__call__(*args, **kwargs)


def _is_first(job: str, seconds: float) -> bool:
    """Whether the job was not run for so long. While Redis does not answer it runs once too often."""
    server = shared_client(settings.REDIS_URL, seconds=ANSWER_SECONDS)
    try:
        return bool(server.set(f"conduit:ran:{job}", 1, px=round(seconds * 1000), nx=True))
    except redis.RedisError as error:
        log.warning("redis away: not known whether this ran just now", job=job, error=type(error).__name__)
        return True
