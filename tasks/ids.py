"""Task ids: UUID version 7, so that they sort by the time of their making."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from conduit import clock

# An id and the `created_at` beside it are taken one after the other, and even the one clock is set back a little now and then.
CLOCK_SLACK_MS = 60_000


def new_task_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits. (`uuid.uuid7` comes with Python 3.14.)"""
    milliseconds = int(clock.now().timestamp() * 1000)
    random = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def first_task_id_at(moment: datetime) -> UUID:
    """The smallest id that a task made at that moment or later can have."""
    return UUID(int=max(0, int(moment.timestamp() * 1000) - CLOCK_SLACK_MS) << 80)


def last_task_id_before(moment: datetime) -> UUID:
    """A bound above every id that a task made before that moment can have."""
    return UUID(int=max(0, int(moment.timestamp() * 1000) + CLOCK_SLACK_MS + 1) << 80)


def not_made_before(task_id: UUID) -> datetime:
    """A moment before which the task of that id was not made."""
    return datetime.fromtimestamp(((task_id.int >> 80) - CLOCK_SLACK_MS) / 1000, UTC)


def parse_task_id(text: str) -> UUID | None:
    """The id that a client sent, or None for what cannot be one."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
