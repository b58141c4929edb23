"""Connections to Redis for questions that nobody may wait long for."""

import socket
from functools import lru_cache
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# For every connection to Redis: one whose packets are dropped is dead after about six seconds, and not after
# hours (the last in ms, all others in seconds).
KEEPALIVE: dict[str, Any] = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: 4,
        socket.TCP_KEEPINTVL: 1,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 6000,
    },
}


def brief_client(url: str, *, seconds: float) -> redis.Redis:
    """A client whose questions are answered within `seconds`, or raise redis.RedisError.

    After a restart of Redis the connections that are kept have all ended: each is made anew, once and at once.
    """
    again = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis(
        connection_pool=_Pool.from_url(url, socket_connect_timeout=seconds, socket_timeout=seconds, retry=again, **KEEPALIVE)
    )


@lru_cache
def shared_client(url: str, *, seconds: float) -> redis.Redis:
    """The brief client that all threads of this process share."""
    return brief_client(url, seconds=seconds)


class _Pool(redis.ConnectionPool):
    def release(self, connection: Any) -> None:
        """When one connection went silent, those that lie idle are not waited for one after the other."""
        super().release(connection)
        if not connection.is_connected:
            self.disconnect(inuse_connections=False)
