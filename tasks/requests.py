"""What a call that makes a task may say of a task of any kind."""

from dataclasses import dataclass
from typing import Any

from conduit.api.fields import SecondsField, StrictSerializer
from tasks.notifications.fields import TaskEventTypesField, TaskWebhook, UrlField, webhook_of

# Seconds after which a task that is not done is cancelled: at least what a step takes, at most a day.
EXPIRES_IN_LEAST, EXPIRES_IN_MOST = 10, 86_400


class ExpiresInField(SecondsField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=EXPIRES_IN_LEAST, most=EXPIRES_IN_MOST, **kwargs)


@dataclass(frozen=True)
class RetryRequest:
    """What a retry may have of its own; all else is as the original asked."""

    expires_in: int | None = None  # seconds
    webhook: TaskWebhook | None = None

    @classmethod
    def parse(cls, data: Any) -> "RetryRequest":
        """Read a request body; null means that a parameter was left out.

        Raises:
            ValidationError, InvalidRequest: naming the first parameter at fault.
        """
        found = RetrySerializer().run_validation({name: value for name, value in data.items() if value is not None or name not in _NAMES})
        return cls(found.get("expires_in"), webhook_of(found))


class RetrySerializer(StrictSerializer):
    null_is_left_out = True

    expires_in = ExpiresInField(required=False)
    webhook_url = UrlField(required=False)
    webhook_events = TaskEventTypesField(required=False)


_NAMES = frozenset(RetrySerializer().fields)
