"""What a caller may ask for: the shape of a generation request, checked before anything else happens."""

import unicodedata
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from conduit.api.errors import InvalidRequest
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

    @classmethod
    def parse(cls, data: Any) -> "GenerationRequest":
        """Read a request body.

        Raises:
            ValidationError, InvalidRequest: naming the first parameter at fault.
        """
        fields = GenerationSerializer(data=data)
        fields.is_valid(raise_exception=True)
        found = fields.validated_data
        resolution, aspect_ratio = _size(found.get("resolution"), found.get("aspect_ratio"))
        return cls(found["model"], found["prompt"], found["duration"], resolution, aspect_ratio, found["metadata"])


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


def check_text(text: str, name: str) -> None:
    """Refuse what no database column and no JSON body can carry."""
    if "\0" in text:
        raise serializers.ValidationError(f"`{name}` holds a NUL character.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise serializers.ValidationError(f"`{name}` holds half of a surrogate pair, which is not a character.")


class TextField(serializers.Field[str, Any, str, Any]):
    """A JSON string that is not blank: numbers are not turned into text."""

    default_error_messages = {"required": "`{name}` is required."}

    def to_internal_value(self, data: Any) -> str:
        name = str(self.field_name)
        if not isinstance(data, str):
            raise serializers.ValidationError(f"`{name}` must be a string.")
        check_text(data, name)
        if not any(not character.isspace() and unicodedata.category(character) != "Cf" for character in data):
            raise serializers.ValidationError(f"`{name}` must not be blank.")
        return data

    def fail(self, key: str, **kwargs: Any) -> Any:
        return super().fail(key, name=self.field_name, **kwargs)


class SecondsField(serializers.Field[int, Any, int, Any]):
    """Whole seconds, as a number or a numeric string."""

    def to_internal_value(self, data: Any) -> int:
        seconds = self._whole(data)
        if seconds is None or not 1 <= seconds <= DURATION_MAX:
            raise serializers.ValidationError(f"`{self.field_name}` must be whole seconds from 1 to {DURATION_MAX}.")
        return seconds

    @staticmethod
    def _whole(data: Any) -> int | None:
        match data:
            case bool():
                return None
            case int():
                return data
            case float() if data.is_integer():
                return int(data)
            case str() if (text := data.strip()).isascii() and text.isdigit() and len(text) < 10:
                return int(text)
        return None


class OneOfField(serializers.Field[str, Any, str, Any]):
    """One of a few strings."""

    def __init__(self, options: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options = options

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.options:
            raise serializers.ValidationError(f"`{self.field_name}` must be one of {', '.join(self.options)}.")
        return data


class MetadataField(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """Up to sixteen short strings by name."""

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


class GenerationSerializer(serializers.Serializer[Any]):
    model = TextField()
    prompt = TextField()
    duration = SecondsField(default=DURATION_DEFAULT)
    resolution = OneOfField([str(value) for value in Resolution.values], required=False)
    aspect_ratio = OneOfField(list(SIZES_OF_RATIO), required=False)
    metadata = MetadataField(default=dict)

    def to_internal_value(self, data: Any) -> Any:
        for name in data:
            if name not in self.fields:
                shown = name[:60].encode("utf-8", "backslashreplace").decode()
                raise serializers.ValidationError({shown: f"`{shown}` is not a parameter of this call. It takes {', '.join(self.fields)}."})
        # As in OpenAI's API, null means that the parameter was left out.
        return super().to_internal_value({name: value for name, value in data.items() if value is not None})
