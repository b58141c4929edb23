"""Signs of life of the processes that do the work, kept in Redis for a while."""

from functools import lru_cache

import redis
from django.conf import settings

from conduit.redis_client import brief_client

# Workers sign every five seconds, ticks every second: a few may get lost.
SIGN_SECONDS = 5
LATELY_SECONDS = 30


@lru_cache
def _redis(url: str) -> redis.Redis:
    return brief_client(url, seconds=1)


def heard(name: str) -> None:
    """Note that this worker or job is at work; raises redis.RedisError when Redis does not answer."""
    _redis(settings.REDIS_URL).set(f"conduit:alive:{name}", 1, ex=LATELY_SECONDS)


def heard_lately(name: str) -> bool:
    """Whether it was heard within LATELY_SECONDS; raises redis.RedisError when Redis does not answer."""
    return bool(_redis(settings.REDIS_URL).exists(f"conduit:alive:{name}"))


def redis_answers() -> bool:
    """Whether Redis does; raises redis.RedisError when not."""
    return bool(_redis(settings.REDIS_URL).ping())
