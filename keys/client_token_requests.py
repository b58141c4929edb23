"""What may be asked of a client token."""

from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from conduit.api.errors import InvalidRequest
from conduit.api.fields import SecondsField, StrictSerializer, TextField, WholeField
from keys.client_tokens import SECONDS_DEFAULT, SECONDS_LEAST, SECONDS_MOST, TASKS_DEFAULT, TASKS_MOST, Bounds
from keys.known_models import check_models
from keys.limits.fields import OptionalTextsField, PriceLimitField


class BoundsSerializer(StrictSerializer):
    tasks = WholeField(least=1, most=TASKS_MOST, default=TASKS_DEFAULT)
    usd = PriceLimitField(default=None, allow_null=True)
    models = OptionalTextsField(required=False, allow_null=True)

    def validate_models(self, names: list[str]) -> list[str]:
        try:
            check_models(names)
        except ValueError as error:
            raise serializers.ValidationError(f"`models` {error}.") from error
        return names


class ClientTokenSerializer(StrictSerializer):
    task_id = TextField(default=None, allow_null=True)
    expires_in = SecondsField(least=SECONDS_LEAST, most=SECONDS_MOST, default=SECONDS_DEFAULT)
    create = BoundsSerializer(default=None, allow_null=True)  # type: ignore[assignment] # a serializer has a method of that name


@dataclass(frozen=True)
class ClientTokenRequest:
    """A token that somebody with a key asks for."""

    task_id: str | None  # as it was written
    expires_in: int  # seconds
    bounds: Bounds | None

    @classmethod
    def parse(cls, data: Any) -> "ClientTokenRequest":
        """Read a request body.

        Raises:
            ValidationError, InvalidRequest: naming the first parameter at fault.
        """
        found = ClientTokenSerializer().run_validation(data)
        create = found["create"]
        if create is not None and found["task_id"] is not None:
            raise InvalidRequest("A client token reads one task or creates: leave out `task_id` or `create`.", param="create")
        bounds = Bounds(create["tasks"], create["usd"], tuple(create.get("models", ()))) if create is not None else None
        return cls(found["task_id"], found["expires_in"], bounds)
