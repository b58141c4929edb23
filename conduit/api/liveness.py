"""Signs of life of the workers, kept in Redis for a while."""

from functools import lru_cache

import redis
from django.conf import settings

# A worker signs every five seconds, and a media worker only between two files.
LATELY_SECONDS = {"worker": 30, "media": settings.MEDIA_STEP_SECONDS + 60}


@lru_cache
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)


def heard(process: str) -> None:
    """Note that this process does its jobs."""
    _redis(settings.REDIS_URL).set(f"conduit:alive:{process}", 1, ex=LATELY_SECONDS[process])


def heard_lately(process: str) -> bool:
    """Whether the process was heard in its time.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    return bool(_redis(settings.REDIS_URL).exists(f"conduit:alive:{process}"))


def redis_answers() -> bool:
    """Whether Redis does; raises redis.RedisError when not."""
    return bool(_redis(settings.REDIS_URL).ping())
