"""What a caller may ask for: the shape of a generation request, checked before anything else happens."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from rest_framework import serializers

from conduit.api.errors import InvalidRequest
from conduit.api.fields import FlagField, NamedField, OneOfField, SecondsField, StrictSerializer, TextField, check_text
from tasks.notifications.fields import TaskEventTypesField, TaskWebhook, UrlField, webhook_of
from tasks.requests import ExpiresInField
from videos.inputs import Input
from videos.models import Resolution

DURATION_DEFAULT = 6
DURATION_MAX = 60
METADATA_ENTRIES = 16
METADATA_NAME_CHARACTERS = 64
METADATA_VALUE_CHARACTERS = 512

# Each ratio with the sizes that fit it; the first is what the ratio alone picks.
SIZES_OF_RATIO: dict[str, tuple[Resolution, ...]] = {
    "16:9": (Resolution.R1280X720, Resolution.R1920X1080),
    "9:16": (Resolution.R720X1280, Resolution.R1080X1920),
    "4:3": (Resolution.R720X480,),
    "3:2": (Resolution.R720X480,),
}
# The ratio to show when only a size was asked for.
RATIO_OF_SIZE = {size: ratio for ratio, sizes in SIZES_OF_RATIO.items() for size in sizes}


@dataclass(frozen=True)
class GenerationRequest:
    """A request that is sound in itself; whether the model exists and takes it is checked later."""

    model: str
    prompt: str
    duration: int  # seconds
    resolution: Resolution
    aspect_ratio: str
    metadata: dict[str, str]
    expires_in: int | None = None  # seconds
    prompt_optimizer: bool | None = None
    inputs: tuple[Input, ...] = ()  # no call takes any yet
    webhook: TaskWebhook | None = None

    @classmethod
    def parse(cls, data: Any) -> "GenerationRequest":
        """Read a request body.

        Raises:
            ValidationError, InvalidRequest: naming the first parameter at fault.
        """
        found = _rules().run_validation(data)
        resolution, aspect_ratio = _size(found.get("resolution"), found.get("aspect_ratio"))
        return cls(
            model=found["model"],
            prompt=found["prompt"],
            duration=found["duration"],
            resolution=resolution,
            aspect_ratio=aspect_ratio,
            metadata=found["metadata"],
            expires_in=found.get("expires_in"),
            prompt_optimizer=found.get("prompt_optimizer"),
            webhook=webhook_of(found),
        )


def _size(resolution: str | None, aspect_ratio: str | None) -> tuple[Resolution, str]:
    if aspect_ratio is None:
        size = Resolution(resolution or Resolution.R1280X720)
        return size, RATIO_OF_SIZE[size]
    fitting = SIZES_OF_RATIO[aspect_ratio]
    if resolution is None:
        return fitting[0], aspect_ratio
    if resolution not in fitting:
        raise InvalidRequest(
            f"`aspect_ratio` {aspect_ratio} contradicts `resolution` {resolution}. It fits {' and '.join(fitting)}.", param="aspect_ratio"
        )
    return Resolution(resolution), aspect_ratio


class MetadataField(NamedField):
    """Up to sixteen short strings by name."""

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "maxProperties": METADATA_ENTRIES,
            "propertyNames": {"minLength": 1, "maxLength": METADATA_NAME_CHARACTERS},
            "additionalProperties": {"type": "string", "maxLength": METADATA_VALUE_CHARACTERS},
        }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            raise serializers.ValidationError("`metadata` must be an object whose values are strings.")
        if len(data) > METADATA_ENTRIES:
            raise serializers.ValidationError(f"`metadata` may have at most {METADATA_ENTRIES} entries.")
        for name, value in data.items():
            check_text(name, "metadata")
            check_text(value, "metadata")
            if not 0 < len(name) <= METADATA_NAME_CHARACTERS or len(value) > METADATA_VALUE_CHARACTERS:
                raise serializers.ValidationError(
                    f"`metadata` names have 1 to {METADATA_NAME_CHARACTERS} characters and values at most {METADATA_VALUE_CHARACTERS}."
                )
        return data


@cache
def _rules() -> "GenerationSerializer":
    """One for all requests: making it takes longer than what it does, and it keeps nothing of what it judges."""
    return GenerationSerializer()


class GenerationSerializer(StrictSerializer):
    null_is_left_out = True

    model = TextField()
    prompt = TextField()
    duration = SecondsField(least=1, most=DURATION_MAX, default=DURATION_DEFAULT)
    resolution = OneOfField([str(value) for value in Resolution.values], required=False)
    aspect_ratio = OneOfField(list(SIZES_OF_RATIO), required=False)
    metadata = MetadataField(default=dict)
    expires_in = ExpiresInField(required=False)
    prompt_optimizer = FlagField(required=False)
    webhook_url = UrlField(required=False)
    webhook_events = TaskEventTypesField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        # As in OpenAI's API, null means that the parameter was left out; one that is unknown is refused even so.
        return super().to_internal_value({name: value for name, value in data.items() if value is not None or name not in self.fields})
