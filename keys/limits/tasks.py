"""What one task of a key may be, and how many of them there may be at once and within an hour. None of it asks Redis."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from conduit import clock
from conduit.api.errors import Forbidden, InvalidRequest
from keys.budgets import usd
from keys.known_models import pixels
from keys.limits.refusals import RateLimited, in_seconds, in_words
from keys.models import OverLimit, VirtualKey

# When to look again after a task was refused for others that are in flight (nobody knows when those end) or for those of
# the last hour (when it is not known how old they are), in seconds.
CONCURRENCY_RETRY_SECONDS = 10
HOURLY_RETRY_SECONDS = 60

# ---- What one task may be -------------------------------------------------------------------------------------------


def allows_model(key: VirtualKey, names: Sequence[str]) -> bool:
    """Whether the key, or the client token that it carries, may use the model of that name and aliases."""
    return all(not allowed or not set(allowed).isdisjoint(names) for allowed in _allowed_models(key))


def _allowed_models(key: VirtualKey) -> list[list[str]]:
    return [key.model_names, key.client_token.model_names] if key.client_token else [key.model_names]


def check_model(key: VirtualKey, model_names: Sequence[str]) -> None:
    """Raises Forbidden where the model of these names is not one of the key's, or of its client token."""
    if allows_model(key, model_names):
        return
    token = key.client_token
    if token and token.model_names and set(token.model_names).isdisjoint(model_names):
        words = f"This client token may not use this model. It may use {', '.join(token.model_names)}."
    else:
        words = f"This key may not use this model. It may use {', '.join(key.model_names)}; an administrator can allow more."
    raise Forbidden(words, code="model_not_allowed", param="model")


def check_request(key: VirtualKey, *, model_names: Sequence[str], seconds: int, resolution: str, price: Decimal) -> None:
    """Check a task against what its key may ask for, without a query. `model_names`: the model's name and its aliases.

    Raises:
        Forbidden: the model is not one of the key's.
        InvalidRequest: too long, too large or too expensive.
    """
    check_model(key, model_names)
    if key.longest_seconds is not None and seconds > key.longest_seconds:
        raise InvalidRequest(
            f"`duration` is {in_seconds(seconds)}; with this key a video may have at most {in_seconds(key.longest_seconds)}.",
            param="duration",
        )
    if key.largest_resolution and pixels(resolution) > pixels(key.largest_resolution):
        raise InvalidRequest(
            f"`resolution` {resolution} has more pixels than {key.largest_resolution}, the most that this key may ask for.",
            param="resolution",
        )
    if key.highest_price is not None and price > key.highest_price:
        raise _too_expensive(key.highest_price, price=price, seconds=seconds)


def _too_expensive(highest: Decimal, *, price: Decimal, seconds: int) -> InvalidRequest:
    """A price grows with the seconds: where not even one is cheap enough, the duration is not what is at fault."""
    words = f"This video costs {usd(price)}; with this key one may cost at most {usd(highest)}."
    if round(price / seconds, 4) <= highest:
        return InvalidRequest(f"{words} A shorter `duration` or a smaller `resolution` costs less.", param="duration")
    return InvalidRequest(
        f"{words} One second alone costs more at this `resolution`: ask for a smaller one or for another `model`.", param="resolution"
    )


# ---- How many tasks -------------------------------------------------------------------------------------------------


def needs_counts(key: VirtualKey) -> bool:
    """Whether a new task must be counted against others: only then are they counted, with the key's row locked."""
    return key.tasks_in_flight is not None or key.tasks_per_hour is not None


def check_counts(key: VirtualKey, *, in_flight: int, last_hour: int, oldest: datetime | None = None, waiting: int = 0) -> bool:
    """Check a new task against the key's others: those in flight now, those that wait to be (`waiting`), those created in the last
    sixty minutes. Whether the new one has to wait until another ends.

    `oldest`: when the first of the last hour was created, which tells when there is a place again.

    Raises:
        RateLimited: there are as many as may be.
    """
    queues = key.over_limit == OverLimit.QUEUE and key.tasks_in_flight is not None
    waits = queues and (waiting > 0 or in_flight >= (key.tasks_in_flight or 0))
    if waits and key.queue_max is not None and waiting >= key.queue_max:
        raise RateLimited(
            f"You reached this key's rate limit of {_tasks_in_words(key.tasks_in_flight or 0)} in flight and {key.queue_max} more that may "
            f"wait: {waiting} {'waits' if waiting == 1 else 'wait'} now. "
            f"Wait until one is taken up, or cancel one; look again in {in_words(CONCURRENCY_RETRY_SECONDS)}.",
            code="concurrency_limit_exceeded",
            retry_after=CONCURRENCY_RETRY_SECONDS,
            limit=(key.tasks_in_flight or 0) + key.queue_max,
        )
    if not queues and key.tasks_in_flight is not None and in_flight >= key.tasks_in_flight:
        raise RateLimited(
            f"You reached this key's rate limit of {_tasks_in_words(key.tasks_in_flight)} in flight: {in_flight} "
            f"{'is' if in_flight == 1 else 'are'} queued or processing now. "
            f"Wait until one ends, or cancel one; look again in {in_words(CONCURRENCY_RETRY_SECONDS)}.",
            code="concurrency_limit_exceeded",
            retry_after=CONCURRENCY_RETRY_SECONDS,
            limit=key.tasks_in_flight,
        )
    if key.tasks_per_hour is not None and last_hour >= key.tasks_per_hour:
        seconds = _until_an_hour_after(oldest) if oldest else HOURLY_RETRY_SECONDS
        raise RateLimited(
            f"You reached this key's rate limit of {_tasks_in_words(key.tasks_per_hour)} in any 60 minutes. "
            f"Try again in {in_words(seconds)}.",
            retry_after=seconds,
            limit=key.tasks_per_hour,
        )
    return waits


def _tasks_in_words(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _until_an_hour_after(moment: datetime) -> int:
    return max(1, math.ceil((moment + timedelta(hours=1) - clock.now()).total_seconds()))
