"""Celery's beat, of which one sends and any others wait: started twice, on one host or two, nothing is sent twice."""

import uuid
from typing import Any

import redis
import structlog
from celery.beat import Scheduler
from django.conf import settings

from conduit.heartbeats import own_name
from conduit.redis_client import shared_client

log = structlog.get_logger(__name__)

# The beat that sends says so at each tick; one that is killed, or hangs, gives way after so long (seconds).
LEASE_SECONDS = 10.0
# How often one that waits looks.
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 1.0

_NAME = "conduit:beat"
_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class OneBeat(Scheduler):
    """Sends while it holds a lease in Redis, by Redis's clock. While Redis is away nobody could be sent anything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._sends: bool | None = None  # None: it has not looked yet
        self._token = f"{own_name('beat')} {uuid.uuid4().hex}"  # in containers hosts and process ids may be called the same
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; seconds until the next look."""
        sends = self._holds()
        if sends != self._sends:
            log.info("this beat sends" if sends else "another beat sends: this one waits")
            self._sends = sends
        if not sends:
            return LOOK_SECONDS
        # Within the lease, whatever the schedule says.
        return min(super().tick(*args, **kwargs), LEASE_SECONDS / 4)

    def close(self) -> None:
        """Let another one begin at once."""
        super().close()
        try:
            self._redis().eval(_RELEASE, 1, _NAME, self._token)
        except redis.RedisError as error:
            log.warning("redis away: another beat begins a little later", error=type(error).__name__)

    def _holds(self) -> bool:
        try:
            return bool(self._redis().eval(_HOLD, 1, _NAME, self._token, round(LEASE_SECONDS * 1000)))
        except redis.RedisError:
            return False

    def _redis(self) -> redis.Redis:
        return shared_client(settings.REDIS_URL, seconds=ANSWER_SECONDS)
