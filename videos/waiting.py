"""How long something waits that could not be done."""

import random
from datetime import timedelta

from django.conf import settings


def growing_pause(attempts: int) -> timedelta:
    """Doubles with each attempt up to RETRY_SECONDS_MAX, spread by a quarter so that what failed together does not come back together."""
    seconds = min(settings.RETRY_SECONDS * 2 ** min(attempts - 1, 20), settings.RETRY_SECONDS_MAX)
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load, guards nothing
