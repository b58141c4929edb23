"""What is said between us and MiniMax, for listeners: what is written down of it is no matter of the client's."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlsplit

from conduit.logs import without_secrets

# Answers may repeat what was sent: a prompt, a frame, a link whose query is signed.
_DATA_URL = re.compile(r"data:[^\s,]*,\S*")
_QUERY = re.compile(r"(?P<link>https?://[^\s?#]*)[?#]\S*", re.IGNORECASE)
# Of a text so many characters are looked at: what is sought in it takes the square of its length at worst.
_READ_MAX = 4_000
TEXT_MAX, WORD_MAX, PATH_MAX, TRACE_MAX = 300, 40, 300, 128
# Of a body: characters, and what is shown of the lists, objects and texts in it.
BODY_MAX = 2_000
_ENTRIES_MAX, _ITEMS_MAX, _DEPTH_MAX, _VALUE_MAX = 40, 5, 6, 200
# Fields that hold what a consumer wrote: it is kept with the video, and forgotten with it.
_PROMPTS = frozenset({"prompt", "text", "prompt_text"})
# A caller that knows it may say that it is MiniMax.
_UNGUESSABLE = "callback_url"


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts of an exchange. They hold no secret, and nothing that a database or a page cannot carry."""

    message: str = ""
    status: str = ""  # the job's, in MiniMax's word
    trace_id: str = ""
    request: str = ""  # bodies as `body` tells them
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class Exchange(Words):
    """One call and how it was answered.

    `later` gives the texts: they take longer to be made fit than all the rest, and of most questions nobody reads them. It is asked by
    `written`, before anybody may.
    """

    call: str
    method: str
    path: str
    milliseconds: int
    ended_at: float  # on this process's monotonic clock
    http: int | None = None  # None: no answer came
    code: int | None = None
    upstream: str = ""  # the model at MiniMax that the call is about
    is_error: bool = True
    later: Callable[[], Words] | None = field(default=None, compare=False, repr=False)

    @property
    def written(self) -> Self:
        """With its texts."""
        return self if self.later is None else replace(self, later=None, **asdict(self.later()))

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


def body(value: object, *, secret: str = "") -> str:
    """A body fit to be kept: without credentials, prompts, data of images and queries of links, and of BODY_MAX characters at most."""
    if value in (None, "", {}):
        return ""
    if isinstance(value, str):
        return plain(value, secret=secret)
    text = json.dumps(_told(value, "", 0, secret), ensure_ascii=False)
    return text if len(text) <= BODY_MAX else f"{text[: BODY_MAX - 1]}…"


def _told(value: object, name: str, depth: int, secret: str) -> Any:
    match value:
        case dict() | list() if depth == _DEPTH_MAX:
            return "…"
        case dict():
            shown = list(value.items())[:_ENTRIES_MAX]
            return {plain(str(key), WORD_MAX, secret=secret): _told(inner, str(key), depth + 1, secret) for key, inner in shown}
        case list():
            further = [f"… {len(value) - _ITEMS_MAX} more"] if len(value) > _ITEMS_MAX else []
            return [_told(inner, name, depth + 1, secret) for inner in value[:_ITEMS_MAX]] + further
        case str():
            return _told_text(value, name, secret)
        case None | bool() | int() | float():
            return value
    return plain(str(value), _VALUE_MAX, secret=secret)


def _told_text(text: str, name: str, secret: str) -> str:
    if name == _UNGUESSABLE:
        return "***"
    kind, _, data = text[:100].partition(",")
    if kind.startswith("data:") and data:
        return f"{plain(kind, WORD_MAX)},*** ({len(text)} characters)"
    # A text without a space that is so long is an image in base64.
    if name in _PROMPTS or (len(text) > _VALUE_MAX and "://" not in text and not re.search(r"\s", text[:_READ_MAX])):
        return f"*** ({len(text)} characters)"
    return plain(text, _VALUE_MAX, secret=secret)


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
    for hear in _everybody:
        hear(exchange)


_everybody: list[Callable[[Exchange], None]] = []


def tell_too(hear: Callable[[Exchange], None]) -> None:
    """Have all that this process says from now on told to `hear` as well, in whatever thread it is said."""
    _everybody.append(hear)


_upstream: ContextVar[str] = ContextVar("upstream", default="")


@contextmanager
def about(upstream: str) -> Iterator[None]:
    """What this thread says within the block is about that model."""
    token = _upstream.set(upstream)
    try:
        yield
    finally:
        _upstream.reset(token)


def upstream() -> str:
    """The model that this thread speaks about; empty outside `about`."""
    return _upstream.get()
