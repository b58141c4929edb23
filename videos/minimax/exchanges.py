"""What is said between us and MiniMax, for whoever listens: who writes it down is no matter of the client's."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit

from conduit.logs import without_secrets

# Answers may repeat what was sent: a prompt, a frame, a link whose query is signed.
_DATA_URL = re.compile(r"data:[^\s,]*,\S*")
_QUERY = re.compile(r"(?P<link>https?://[^\s?#]*)[?#]\S*", re.IGNORECASE)
# Of a text so many characters are looked at: what is sought in it takes the square of its length at worst.
_READ_MAX = 4_000
TEXT_MAX, WORD_MAX, PATH_MAX, TRACE_MAX = 300, 40, 300, 128


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One call and how it was answered. Its texts hold no secret, and nothing that a database or a page cannot carry."""

    call: str
    method: str
    path: str
    milliseconds: int
    ended_at: float  # on this process's monotonic clock
    http: int | None = None  # None: no answer came
    code: int | None = None
    message: str = ""
    status: str = ""  # the job's, in MiniMax's word
    trace_id: str = ""
    is_error: bool = True

    @property
    def is_query(self) -> bool:
        """Whether it only asked how a job goes, and was told: what is asked again and again, mostly to hear the same."""
        return self.call == "query" and not self.is_error and bool(self.status)


def plain(text: str, most: int = TEXT_MAX, *, secret: str = "") -> str:
    """What MiniMax or a library said, fit to be kept: without credentials, `secret` among them, data, and queries of links."""
    if secret:
        text = text.replace(secret, "***")
    text = _DATA_URL.sub("data:***", text)[:_READ_MAX]
    text = without_secrets(_QUERY.sub(r"\g<link>?***", text))[:most]
    return "".join(character if character.isprintable() else " " for character in text).strip()


def ms_since(started: float) -> int:
    """Milliseconds from that moment of the monotonic clock."""
    return round((time.monotonic() - started) * 1000)


def place_of(url: str) -> str:
    """A link without what is signed of it, or names somebody."""
    try:
        parts = urlsplit(url)
        return plain(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", PATH_MAX)
    except ValueError:
        return ""


_listener: ContextVar[list[Exchange] | None] = ContextVar("listener", default=None)


@contextmanager
def listening() -> Iterator[list[Exchange]]:
    """What this thread says to MiniMax within the block, as it goes on."""
    heard: list[Exchange] = []
    token = _listener.set(heard)
    try:
        yield heard
    finally:
        _listener.reset(token)


def tell(exchange: Exchange) -> None:
    heard = _listener.get()
    if heard is not None:
        heard.append(exchange)
