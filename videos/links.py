"""Signed links to results: made when they are handed out, good for a span of time, never stored.

All links of one span are the same, so that a task that did not change keeps its body and its ETag. Each lives until the
end of the next span: its holder has between one and two spans to use it.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_bytes

MediaName = Literal["video.mp4", "thumbnail.jpg"]

_SALT = "videos.links"
_UNIX_SECONDS = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in URL-safe base64


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a result as the database knows it. `name` is the storage's, `filename` the one that downloads get.

    `size` is in bytes, `etag` is quoted and strong: the file behind a name never changes.
    """

    name: str
    size: int
    content_type: str
    etag: str
    filename: str


class LinkRefused(Exception):
    """A link that opens nothing; `reason` says whether it was once good."""

    def __init__(self, reason: Literal["invalid", "expired"]) -> None:
        super().__init__(f"The link is {reason}.")
        self.reason = reason


def media_url(task_id: UUID, name: MediaName, now: datetime) -> str:
    """The absolute link to one file of a result, as it is handed out at `now`."""
    expires = str(int(expires_at(now).timestamp()))
    signature = _signature(task_id, name, expires, settings.SECRET_KEY)
    return f"{settings.PUBLIC_URL}/media/{task_id}/{name}?expires={expires}&signature={signature}"


def media_path(task_id: UUID, name: MediaName, now: datetime) -> str:
    """The same link without its origin, for pages of ours: it leads to the one that the page is on."""
    link = urlsplit(media_url(task_id, name, now))
    return f"{link.path}?{link.query}"


def expires_at(now: datetime) -> datetime:
    """When a link that is handed out at `now` ends: with the span after the current one."""
    span = settings.MEDIA_LINK_SPAN_SECONDS
    return datetime.fromtimestamp((int(now.timestamp()) // span + 2) * span, UTC)


def check(task_id: UUID, name: str, expires: str, signature: str, now: datetime) -> None:
    """Raise LinkRefused unless this is one of our links and its time is not over.

    Links that were signed with a secret in SECRET_KEY_FALLBACKS stay good, so that the secret can be changed.
    """
    if not _UNIX_SECONDS.fullmatch(expires) or not _SIGNATURE.fullmatch(signature):
        raise LinkRefused("invalid")
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    # Every secret is tried: the time this takes says nothing about which one fits.
    fits = [constant_time_compare(signature, _signature(task_id, name, expires, secret)) for secret in secrets]
    if not any(fits):
        raise LinkRefused("invalid")
    if now.timestamp() >= int(expires):
        raise LinkRefused("expired")


def _signature(task_id: UUID, name: str, expires: str, secret: str | bytes) -> str:
    digest = hmac.digest(_signing_key(secret), f"{task_id}/{name}?{expires}".encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


@lru_cache(maxsize=8)
def _signing_key(secret: str | bytes) -> bytes:
    """As Django's salted_hmac derives it, which would do so for every link."""
    return hashlib.sha256(_SALT.encode() + force_bytes(secret)).digest()
