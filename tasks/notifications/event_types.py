"""What one can be told of."""

from collections.abc import Sequence

PROGRESS = "task.progress"
OF_TASKS = ("task.queued", "task.started", PROGRESS, "task.completed", "task.failed", "task.cancelled")
ENDPOINT_DISABLED = "webhook_endpoint.disabled"
BUDGET_THRESHOLD, KEY_EXPIRING, ACCOUNT_UNAVAILABLE = "budget.threshold", "key.expiring", "account.unavailable"

OF_VIDEOS = ("video.completed", "video.failed")
# As OpenAI's clients know them, then ours.
ALL = (*OF_VIDEOS, *OF_TASKS, BUDGET_THRESHOLD, KEY_EXPIRING, ACCOUNT_UNAVAILABLE, ENDPOINT_DISABLED)
# What only those who run the place are told of.
_OF_THE_PLACE = frozenset({ACCOUNT_UNAVAILABLE})
ABOUT_TASKS = (*OF_VIDEOS, *OF_TASKS)
# Of a task that says where its webhooks go, and not of what: all but its progress.
OF_A_TASK_UNLESS_SAID = tuple(name for name in OF_TASKS if name != PROGRESS)


def for_owner(*, is_place: bool) -> list[str]:
    """Those that an endpoint of a key or team, or of the whole place, may ask for."""
    return [name for name in ALL if is_place or name not in _OF_THE_PLACE]


def wishes(event_types: Sequence[str]) -> dict[str, bool]:
    """The columns of an endpoint of these types that say whether tasks and their progress are among them."""
    return {"wants_tasks": any(name in ABOUT_TASKS for name in event_types), "wants_progress": PROGRESS in event_types}
