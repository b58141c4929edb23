"""What may be said for a limit, as the management API takes it: null lifts it."""

import re
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from typing import Any

from rest_framework import serializers

from conduit.api.fields import AmountField, NamedField, OneOfField, WholeField, check_text
from keys.models import PRICE_FACTOR_MOST, PRIORITY_MOST, WEIGHT_MOST, OverLimit
from keys.names import NAME_CHARACTERS

LISTED_MAX = 100
_COUNT_MAX = 2**31 - 1  # of the database's column
_SIZE = re.compile(r"[1-9][0-9]{1,3}x[1-9][0-9]{1,3}", re.ASCII)


class LimitField(WholeField):
    """A limit that allows something; null lifts it. What may do nothing is a disabled key."""

    def __init__(self) -> None:
        super().__init__(least=1, most=_COUNT_MAX, required=False, allow_null=True)


class DaysField(WholeField):
    """How long something is kept; null: as long as the setting says."""

    def __init__(self) -> None:
        super().__init__(least=1, most=36_500, required=False, allow_null=True)


class PriceLimitField(AmountField):
    def schema(self) -> dict[str, Any]:
        return super().schema() | {"minimum": 0.0001}

    def to_internal_value(self, data: Any) -> Any:
        if not (amount := super().to_internal_value(data)):
            raise self.refuse("must be more than 0")
        return amount


class FactorField(NamedField):
    """A multiple of the list price: a number, or a string such as "0.8"; null lifts it."""

    def schema(self) -> dict[str, Any]:
        return {
            "type": ["string", "number"],
            "pattern": r"^[0-9]{1,2}(\.[0-9]{1,4})?$",
            "minimum": 0.0001,
            "maximum": int(PRICE_FACTOR_MOST),
        }

    def to_internal_value(self, data: Any) -> Decimal:
        text = "" if isinstance(data, bool) or not isinstance(data, str | int | float | Decimal) else str(data).strip()
        try:
            factor = Decimal(text if text.isascii() and "_" not in text else "")
        except InvalidOperation:
            raise self.refuse('must be a number, such as "0.8"') from None
        if not factor.is_finite() or not 0 < factor <= PRICE_FACTOR_MOST or factor != round(factor, 4):
            raise self.refuse(f"must be more than 0 and at most {PRICE_FACTOR_MOST}, with at most four decimals")
        return round(factor, 4)


class SizeField(NamedField):
    """Width and height; null (kept as empty text) lifts the limit."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_SIZE.pattern}$"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not _SIZE.fullmatch(data):
            raise self.refuse("must be a width and a height in pixels, such as 1280x720")
        return data


class TextsField(NamedField):
    """A list of short strings; empty lifts the limit."""

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": LISTED_MAX, "items": {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS}}

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not all(isinstance(text, str) and 0 < len(text) <= NAME_CHARACTERS for text in data):
            raise self.refuse(f"must be a list of strings of 1 to {NAME_CHARACTERS} characters")
        if len(data) > LISTED_MAX:
            raise self.refuse(f"may list at most {LISTED_MAX}")
        for text in data:
            check_text(text, str(self.field_name))
        return list(dict.fromkeys(data))


class NetworksField(TextsField):
    def to_internal_value(self, data: Any) -> list[str]:
        listed = super().to_internal_value(data)
        for text in listed:
            try:
                ip_network(text, strict=False)
            except ValueError:
                raise self.refuse(f"holds {text!r}: list addresses or networks, such as 10.0.0.0/8 or 2001:db8::/32") from None
        return listed


class NullIsEmpty:
    """A field whose column says "no limit" with an empty value."""

    empty: Any = ""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)  # type: ignore[misc]
        return type(self.empty)() if value is None else value


class NullMeans:
    """A field that null takes back to what everybody has who was given nothing else."""

    meant: Any

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)  # type: ignore[misc]
        return self.meant if value is None else value


class WeightField(NullMeans, WholeField):
    """A share, as a multiple of the least."""

    meant = 1

    def __init__(self) -> None:
        super().__init__(least=1, most=WEIGHT_MOST, required=False, allow_null=True)


class PriorityField(NullMeans, WholeField):
    meant = 0

    def __init__(self) -> None:
        super().__init__(least=0, most=PRIORITY_MOST, required=False, allow_null=True)


class OverLimitField(NullMeans, OneOfField):
    meant = OverLimit.REFUSE

    def __init__(self) -> None:
        super().__init__(OverLimit.values, required=False, allow_null=True)


class OptionalSizeField(NullIsEmpty, SizeField):
    empty = ""


class OptionalTextsField(NullIsEmpty, TextsField):
    empty: list[str] = []


class OptionalNetworksField(NullIsEmpty, NetworksField):
    empty: list[str] = []
