"""Whether a Redis is away, found out once for all who ask it in this process, in threads and on the loop."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# What is not asked for so long (seconds) after it did not answer: each caller would wait in vain. Then one asks for all.
PAUSE_SECONDS = 1.0
# One line in the log for so many seconds in which it is away, for each caller that has to do without.
LOG_SECONDS = 30.0
# What Redis's clients raise that got no answer; a time limit of one's own is as good.
NO_ANSWER: tuple[type[Exception], ...] = (RedisError, OSError, TimeoutError)


class Away(Exception):
    """Redis does not answer, or did not a moment ago and was not asked. The cause, where there is one, is what it raised."""


class Breaker:
    """Opened by a question without an answer, and closed by the next answer. Any thread may ask."""

    def __init__(self) -> None:
        self._is_away = False
        self._asked_again_at = self._answered_at = -float("inf")
        self._logged: dict[str, float] = {}
        self.ends_at = -float("inf")  # by time.monotonic(): when what was last known of its being away is old

    @contextmanager
    def asking(self, without: str, *, errors: tuple[type[Exception], ...] = NO_ANSWER) -> Iterator[None]:
        """Ask Redis in here. `without` says for the log what is not done while it is away, such as "calls are not counted".

        Raises:
            Away: it is, and what was asked is not known to have happened.
        """
        began = time.monotonic()
        if self._is_away:
            if began < self._asked_again_at:
                raise Away
            self._asked_again_at = began + PAUSE_SECONDS  # this one asks for all
        try:
            yield
        except errors as error:
            self._failed(began, error, without)
            raise Away from error
        self._answered_at = time.monotonic()
        self._is_away = False

    def _failed(self, began: float, error: Exception, without: str) -> None:
        """One that answered somebody else meanwhile is slow, or this process is: that is no reason to ask it nothing."""
        now = time.monotonic()
        if self._answered_at <= began:
            self._is_away = True
            self.ends_at = self._asked_again_at = now + PAUSE_SECONDS
        if now >= self._logged.get(without, now):
            self._logged[without] = now + LOG_SECONDS
            logger.warning("redis away: %s (%s)", without, type(error).__name__)


@cache
def breaker_of(url: str) -> Breaker:
    """This process's, of the Redis at that address."""
    return Breaker()
