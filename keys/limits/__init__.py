"""What a key may do: how often it may call (`calls`), where from (`addresses`), and what tasks it may make (`tasks`). All that it may be
limited to is one table (`table`).

Money is not here (keys.budgets): limits of calls may fail open while Redis is away, money never does.
"""

from keys.limits.addresses import check_address
from keys.limits.calls import (
    Kind,
    admit_on_loop,
    count_call,
    count_call_on_loop,
    count_management_call,
    count_on_loop,
    creates_per_minute,
    in_whole_seconds,
    is_counted_for,
    management_calls_per_minute,
    reads_per_minute,
    rows_of,
)
from keys.limits.refusals import RateLimited, RateState
from keys.limits.tasks import allows_model, check_counts, check_model, check_request, needs_counts

__all__ = [
    "Kind",
    "RateLimited",
    "RateState",
    "admit_on_loop",
    "allows_model",
    "check_address",
    "check_counts",
    "check_model",
    "check_request",
    "count_call",
    "count_call_on_loop",
    "count_management_call",
    "count_on_loop",
    "creates_per_minute",
    "in_whole_seconds",
    "is_counted_for",
    "management_calls_per_minute",
    "needs_counts",
    "reads_per_minute",
    "rows_of",
]
