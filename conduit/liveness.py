"""Signs of life of the workers, kept in Redis for a while."""

from functools import lru_cache

import redis
from django.conf import settings

# By queue: its workers sign every five seconds, but a media worker only between two files.
LATELY_SECONDS = {"provider": 30, "media": settings.MEDIA_STEP_SECONDS + 60}


@lru_cache
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)


def heard(queue: str) -> None:
    """Note that a worker takes this queue's jobs."""
    _redis(settings.REDIS_URL).set(f"conduit:alive:{queue}", 1, ex=LATELY_SECONDS[queue])


def heard_lately(queue: str) -> bool:
    """Whether a worker of the queue was heard in its time.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    return bool(_redis(settings.REDIS_URL).exists(f"conduit:alive:{queue}"))


def redis_answers() -> bool:
    """Whether Redis does; raises redis.RedisError when not."""
    return bool(_redis(settings.REDIS_URL).ping())
