"""Task ids: UUID version 7, so that they sort by the time of their making."""

import secrets
import time
from uuid import UUID


def new_task_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits. (`uuid.uuid7` comes with Python 3.14.)"""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def parse_task_id(text: str) -> UUID | None:
    """The id that a client sent, or None for what cannot be one."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
