"""The one parser: a JSON object, bounded in size, without the leniencies of Python's json."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser

from conduit.api.errors import BodyTooLarge, InvalidRequest

# More than any number that a request could mean; Python itself refuses to read thousands of digits.
DIGITS_MAX = 100


class StrictJSONParser(BaseParser):
    """Reads at most MAX_BODY_BYTES; refuses NaN, repeated names, broken UTF-8 and anything but an object."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return parse_object(stream.read(settings.MAX_BODY_BYTES + 1))


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a request's body is.

    Raises:
        BodyTooLarge: it has more than MAX_BODY_BYTES.
        InvalidRequest: it is something else, or nothing that JSON knows.
    """
    if len(body) > settings.MAX_BODY_BYTES:
        raise BodyTooLarge(f"The request body is larger than {settings.MAX_BODY_BYTES // 1024} KiB.")
    try:
        data = json.loads(body.decode("utf-8"), parse_int=_bounded, parse_constant=_no_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {_reason(error)}.", code="invalid_json") from error
    if not isinstance(data, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return data


def _bounded(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError("a number has too many digits")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:50]!r} appears twice")
        found[name] = value
    return found


def _reason(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at line {error.lineno}, column {error.colno}"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error)
