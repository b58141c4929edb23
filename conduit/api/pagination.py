"""Lists in the manner of the contract: newest first, a page after an id."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from conduit.api.errors import InvalidRequest

LIMIT_DEFAULT = 20
LIMIT_MAX = 100


def parse_limit(query: Mapping[str, str]) -> int:
    """`limit` of a query string, 1 to 100."""
    text = query.get("limit", str(LIMIT_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= LIMIT_MAX):
        raise InvalidRequest(f"`limit` must be a whole number from 1 to {LIMIT_MAX}.", param="limit")
    return int(text)


def parse_row_id(text: str) -> int | None:
    """The number of a row in an address, or None: what no column of ids can hold is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


# Of what ISO 8601 also allows (20260131, 2026-W05, T12) some would be misread, and none is RFC 3339.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)


def check_parameters(query: QueryDict, known: Collection[str], *, repeated: Collection[str] = ()) -> None:
    """Refuse a query string's parameter that the call does not know, and one that is there twice, but for those of `repeated`."""
    for name, values in query.lists():
        shown = name[:60].encode("utf-8", "backslashreplace").decode()
        if name not in known:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise InvalidRequest(f"`{shown}` is not a query parameter of this call. {takes}", param=shown)
        if len(values) > 1 and name not in repeated:
            raise InvalidRequest(f"`{shown}` is there twice in the query string: give it once.", param=shown)


def parse_moment(query: Mapping[str, str], name: str, zone: tzinfo = UTC) -> datetime | None:
    """A date or time of a query string, as in RFC 3339; without an offset it is the zone's. Its moment in UTC."""
    if name not in query:
        return None
    text = query[name].strip().upper()
    if "T" in text:
        text = text.replace(" ", "+")  # an unescaped `+01:00` arrives as a space
    moment: datetime | date | None = None
    if _MOMENT.fullmatch(text):
        with suppress(ValueError):
            moment = parse_datetime(text) or parse_date(text)
    if moment is None:
        raise InvalidRequest(
            f"`{name}` must be an RFC 3339 date, or date and time, such as 2027-01-31 or 2027-01-31T12:00:00Z.", param=name
        )
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise InvalidRequest(f"`{name}` is out of range.", param=name) from error


def end_of_millisecond(moment: datetime) -> datetime:
    """The last moment that is shown as this one: times are shown to the millisecond, and what a client took from a row must not find
    that row again when it asks for what came after."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000 + 999)


def page(rows: Iterable[Any], limit: int, show: Callable[[Any], dict[str, Any]], *, id_field: str) -> dict[str, Any]:
    """The list object. `rows` holds one more than `limit` when there is a next page."""
    found = [show(row) for row in rows]
    data = found[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0][id_field] if data else None,
        "last_id": data[-1][id_field] if data else None,
        "has_more": len(found) > limit,
    }
