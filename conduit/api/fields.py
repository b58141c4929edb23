"""What request bodies are made of: fields that take no value for another type's, and name themselves in every refusal."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from rest_framework import serializers

from conduit.api.errors import InvalidRequest
from conduit.api.pagination import parse_moment
from conduit.api.unseen import is_blank

_HALF = re.compile("[\ud800-\udfff]")


def check_text(text: str, name: str) -> None:
    """Refuse what no database column and no JSON body can carry."""
    if "\0" in text:
        raise serializers.ValidationError(f"`{name}` holds a NUL character.")
    if _HALF.search(text):
        raise serializers.ValidationError(f"`{name}` holds half of a surrogate pair, which is not a character.")


class _Named:
    """Whose refusals tell the parameter's name, for people who read no `param`."""

    field_name: Any
    default_error_messages: Any = {"required": "`{name}` is required.", "null": "`{name}` must not be null."}

    def fail(self, key: str, **kwargs: Any) -> Any:
        return super().fail(key, name=self.field_name, **kwargs)  # type: ignore[misc]


class StrictSerializer(_Named, serializers.Serializer[Any]):
    """Refuses what is no object, and a parameter that it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"`{self.field_name}` must be an object.")
        for name in data:
            if name not in self.fields:
                shown = name[:60].encode("utf-8", "backslashreplace").decode()
                raise serializers.ValidationError({shown: f"`{shown}` is not a parameter of this call. It takes {', '.join(self.fields)}."})
        return super().to_internal_value(data)


class NamedField(_Named, serializers.Field[Any, Any, Any, Any]):
    def schema(self) -> dict[str, Any]:
        """What it takes, as JSON Schema: the API's document is made of it."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it takes.")

    def refuse(self, rule: str) -> serializers.ValidationError:
        return serializers.ValidationError(f"`{self.field_name}` {rule}.")


class TextField(NamedField):
    """A JSON string that is not blank: numbers are not turned into text."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise self.refuse("must be a string")
        check_text(data, str(self.field_name))
        if is_blank(data):
            raise self.refuse("must not be blank")
        return data


class OneOfField(NamedField):
    """One of a few strings."""

    def __init__(self, options: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options = options

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": [str(option) for option in self.options]}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.options:
            raise self.refuse(f"must be one of {', '.join(self.options)}")
        return data


class FlagField(NamedField):
    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise self.refuse("must be true or false")
        return data


class WholeField(NamedField):
    """A whole number in a range, as a JSON number."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int) or not self.least <= data <= self.most:
            raise self.refuse(f"must be a whole number from {self.least} to {self.most}")
        return data


class SecondsField(NamedField):
    """Whole seconds in a range, as a number or a numeric string."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string"], "minimum": self.least, "maximum": self.most, "pattern": "^[0-9]{1,9}$"}

    def to_internal_value(self, data: Any) -> int:
        seconds = self._whole(data)
        if seconds is None or not self.least <= seconds <= self.most:
            raise self.refuse(f"must be whole seconds from {self.least} to {self.most}")
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


class AmountField(NamedField):
    """USD: a number, or a string such as "2.00"; not negative, at most four decimals and eight digits before them."""

    MOST = Decimal("99999999.9999")

    def schema(self) -> dict[str, Any]:
        pattern = r"^[0-9]{1,8}(\.[0-9]{1,4})?$"
        return {"type": ["string", "number"], "pattern": pattern, "minimum": 0, "maximum": float(self.MOST)}

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, str | int | float | Decimal):
            raise self.refuse('must be an amount of USD, such as "2.00"')
        text = str(data).strip()
        try:
            amount = Decimal(text if text.isascii() and "_" not in text else "")
        except InvalidOperation:
            raise self.refuse('must be an amount of USD, such as "2.00"') from None
        if not amount.is_finite() or not 0 <= amount <= self.MOST or amount != round(amount, 4):
            raise self.refuse(f"must be an amount of USD from 0 to {self.MOST} with at most four decimals")
        return abs(round(amount, 4))  # no -0


class MomentField(NamedField):
    """An RFC 3339 date and time, kept in UTC."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}

    def to_internal_value(self, data: Any) -> datetime:
        if isinstance(data, datetime):
            return data
        name = str(self.field_name)
        try:
            moment = parse_moment({name: data} if isinstance(data, str) else {name: ""}, name)
        except InvalidRequest as error:
            raise serializers.ValidationError(error.message) from error
        assert moment is not None  # noqa: S101 - the name is in the query
        return moment
