"""What a client gave, as what a method's annotations ask for."""

import base64
import binascii
import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID


class Unfit(Exception):
    """The value is not what is asked for."""


def fitted(value: Any, wanted: Any) -> Any:
    """The value as the annotation wants it. Unfit when it is something else: numbers are not texts, nor true a number."""
    if wanted is Any or wanted is object:
        return value
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _one_of(value, get_args(wanted))
    if origin is Literal:
        return _known(value, get_args(wanted))
    if origin is not None:
        return _collection(value, origin, get_args(wanted))
    return _single(value, wanted)


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        try:
            return fitted(value, choice)
        except Unfit:
            continue
    raise Unfit


def _known(value: Any, literals: tuple[Any, ...]) -> Any:
    if any(value == literal and type(value) is type(literal) for literal in literals):
        return value
    raise Unfit


def _collection(value: Any, origin: Any, inner: tuple[Any, ...]) -> Any:
    if issubclass(origin, Mapping) and isinstance(value, dict):
        return {fitted(name, inner[0]): fitted(item, inner[1]) for name, item in value.items()}
    if issubclass(origin, Sequence) and isinstance(value, list):
        if origin is not tuple:
            return [fitted(item, inner[0]) for item in value]
        wanted = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(wanted) == len(value):
            return tuple(fitted(item, one) for item, one in zip(value, wanted, strict=True))
    raise Unfit


def _single(value: Any, wanted: Any) -> Any:
    if wanted is None or wanted is types.NoneType:
        return _instance(value, types.NoneType)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, bool):
        raise Unfit
    if wanted in _READ and isinstance(value, str):
        return _read(value, _READ[wanted])
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _read(value, wanted)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _record(value, wanted)
    return _instance(value, wanted)


def _instance(value: Any, wanted: type) -> Any:
    if isinstance(value, wanted):
        return value
    raise Unfit


def _read(value: Any, reader: Any) -> Any:
    try:
        return reader(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise Unfit from error


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


# JSON has texts for these; MessagePack has bytes and timestamps of its own.
_READ: dict[Any, Any] = {bytes: _bytes, datetime: datetime.fromisoformat, UUID: UUID}


def _record(value: Any, wanted: type) -> Any:
    """An object as a dataclass; properties that it does not know are left out, as .NET does."""
    if not isinstance(value, dict):
        raise Unfit
    hints = get_type_hints(wanted)
    known = [part.name for part in dataclasses.fields(wanted) if part.init and part.name in value]
    given = {name: fitted(value[name], hints[name]) for name in known}
    return _read(given, lambda parts: wanted(**parts))
