"""What MiniMax's answers hold, read without trust in their types: ids and numbers come as either text or number."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

# What a database column and a URL can hold; anything else is no answer.
LARGEST_NUMBER = 2**63 - 1
_LINK = re.compile(r"https?://[!-~]{1,4000}", re.IGNORECASE)
# A time of so many seconds lies beyond the year 5000: it is in milliseconds.
_MILLISECONDS_FROM = 10**11


def mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def whole(value: object) -> int | None:
    """A whole number that may have come as a string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value) else None


def positive(value: object) -> int | None:
    """A size; MiniMax says 0 for one that it does not know."""
    number = whole(value)
    return number if number and 0 < number <= LARGEST_NUMBER else None


def identifier(value: object) -> str | None:
    """An id as text, None for the empty ones of a job that has no file yet. Real ids are 15 to 18 digits."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text != "0" and re.fullmatch(r"[!-~]{1,64}", text) else None


def link(value: object) -> str | None:
    return value if isinstance(value, str) and _LINK.fullmatch(value) else None


def word(value: object) -> str | None:
    """A ratio, size, number or name, for comparing: without case and spaces; None for nothing."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text.strip().casefold() or None


def status(value: object) -> str | None:
    """A status, "" when it is empty; None when there is none."""
    return value.strip().casefold() if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """A time that came as seconds or milliseconds since 1970, or in ISO 8601."""
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    try:
        if re.fullmatch(r"[0-9]{1,13}(\.[0-9]+)?", text):
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS_FROM else seconds, UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
