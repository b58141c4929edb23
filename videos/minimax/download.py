"""A finished clip or image as a file that any storage can save, checked while it streams through."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import structlog

from conduit.outbound.guard import AddressRefused
from conduit.outbound.transport import FAULTS, Exchange, Session
from videos.minimax import errors, exchanges
from videos.minimax.errors import CallRefused, Cause, LinkExpired, MiniMaxError

log = structlog.get_logger(__name__)

REDIRECTS_MAX = 5
PIECE_BYTES = 64 * 1024
_HEAD_BYTES = 12
# How an MP4 or MOV file begins: the size of its first box in four bytes, then the box's name.
_FIRST_BOX = b"ftyp"
_FIRST_BOX_BYTES = range(8, 4096)  # it lists a few brands of four bytes
_NO_MEDIA = ("text/", "application/json", "application/xml", "application/xhtml")
_DEAD = frozenset({401, 403, 404, 410})
_BUSY = frozenset({429, 503, 529})


def is_video(head: bytes) -> bool:
    """Whether a file that begins so is an MP4 or MOV."""
    return head[4:8] == _FIRST_BOX and int.from_bytes(head[:4]) in _FIRST_BOX_BYTES


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is a JPG, PNG or WebP."""
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")


class Download(io.BufferedIOBase):
    """A file on its way: read-only and forward-only, in constant memory.

    `read(n)` returns n bytes unless the file ends: S3's uploader takes less for the end. MiniMaxError from any read,
    the one that finds the end included, when what came is not the whole file.
    """

    def __init__(self, raw: Any, *, is_right: Callable[[bytes], bool], size: int | None, max_bytes: int) -> None:
        self._raw = raw
        self._size = size
        self._max_bytes = max_bytes
        self._received = 0
        self._head = b""
        self._head = self._pull(_HEAD_BYTES)
        if not is_right(self._head):
            raise _broken("it does not begin as it should")

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        """Bytes handed out so far."""
        return self._received - len(self._head)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Storages rewind a file before they save it: nothing to do at the start, impossible later."""
        if whence == io.SEEK_SET and offset == self.tell():
            return offset
        raise io.UnsupportedOperation("a download cannot be read twice")

    def read(self, size: int | None = -1, /) -> bytes:
        if size == 0:
            return b""
        wanted = size if size is not None and size > 0 else self._max_bytes + 1
        found = bytearray(self._head[:wanted])
        self._head = self._head[wanted:]
        while len(found) < wanted:
            piece = self._pull(min(wanted - len(found), PIECE_BYTES))
            if not piece:
                break
            found += piece
        return bytes(found)

    def _pull(self, size: int) -> bytes:
        """Up to `size` more bytes of the body, fewer only where it ends."""
        try:
            # Undecoded: a video is not compressed, and sizes are those of the bytes sent.
            piece: bytes = self._raw.read(size, decode_content=False)
        except FAULTS as fault:
            raise _broken(f"it broke off after {self._received} bytes ({type(fault).__name__})") from None
        self._received += len(piece)
        if self._received > self._max_bytes:
            raise _broken(f"it is larger than {self._max_bytes} bytes")
        if not piece and self._size not in (None, self._received):
            raise _broken(f"it has {self._received} bytes instead of {self._size}")
        return piece


@contextmanager
def open_link(
    session: Session,
    url: str,
    *,
    is_right: Callable[[bytes], bool],
    exchange: Exchange,
    connect_seconds: float,
    expected_size: int | None,
    max_bytes: int,
) -> Iterator[Download]:
    """Open the file behind `url` for reading once; `is_right` judges its first bytes. Sizes in bytes.

    LinkExpired when the link is dead; any other MiniMaxError, here or from the stream, when the download came to
    nothing. OSError can only come from the storage that saves it.
    """
    started = time.monotonic()
    answer: requests.Response | None = None
    try:
        with _follow(session, url, exchange, connect_seconds) as answer:
            size = _promised(answer, expected_size, max_bytes)
            stream = Download(answer.raw, is_right=is_right, size=size, max_bytes=max_bytes)
            yield stream
    except MiniMaxError as error:
        _tell(url, answer, started, error)
        raise
    _tell(url, answer, started)
    log.info("minimax_download", host=_host(url), ms=exchanges.ms_since(started), bytes=stream.tell())


def _tell(url: str, answer: requests.Response | None, started: float, error: MiniMaxError | None = None) -> None:
    exchanges.tell(
        exchanges.Exchange(
            call="download",
            method="GET",
            path=exchanges.place_of(url if answer is None else answer.url),
            milliseconds=exchanges.ms_since(started),
            ended_at=time.monotonic(),
            http=None if answer is None else answer.status_code,
            message=exchanges.plain(error.message) if error else "",
            upstream=exchanges.upstream(),
            is_error=error is not None,
        )
    )


def _follow(session: Session, url: str, exchange: Exchange, connect_seconds: float) -> requests.Response:
    """The answer at the end of the redirects. They are walked here, since requests would offer passwords on the way.

    A link to where nothing may be called is broken like any other: MiniMax's next one may be good, and a network that an
    operator has to allow may be allowed before the task's time is over.
    """
    for _ in range(REDIRECTS_MAX + 1):
        host = _host(url)
        try:
            response = session.exchange(
                exchange,
                "GET",
                url,
                connect_seconds=connect_seconds,
                headers={"Accept": "*/*", "Accept-Encoding": "identity"},
            )
        except AddressRefused as refused:
            log.error("minimax_link_refused", host=host, why=str(refused))
            raise CallRefused(errors.DOWNLOAD_BROKEN, host=host, why=str(refused)) from None
        except FAULTS as fault:
            # The text of the fault holds the link, and with it the signature.
            log.warning("minimax_download_unanswered", host=host, fault=type(fault).__name__)
            unreachable = not exchange.sent and not isinstance(fault, ValueError)
            raise MiniMaxError(*(errors.UNREACHABLE if unreachable else errors.DOWNLOAD_BROKEN)) from None
        location = response.headers.get("Location")
        if not (300 <= response.status_code < 400 and location):
            return response
        response.close()
        url = _joined(url, location)
    raise _broken("its link is redirected again and again")


def _host(url: str) -> str:
    """Where a link leads, which is all of it that may be logged: the rest is signed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if not parts or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _broken("its link is none that can be followed")
    return parts.hostname


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise _broken("its link is redirected to nowhere") from None


def _promised(response: requests.Response, expected_size: int | None, max_bytes: int) -> int | None:
    """Check what the answer says of itself, and return the size that the body must have, None when nobody said."""
    status = response.status_code
    if status in _DEAD:
        log.info("minimax_link_dead", http=status, host=_host(response.url))
        raise LinkExpired(*errors.DEAD_LINK)
    if status in _BUSY:
        raise _broken(f"its host is busy (HTTP {status})", errors.UNREACHABLE)
    if status != 200:
        raise _broken(f"its host answered HTTP {status}")
    content_type = response.headers.get("Content-Type", "").strip().lower()
    if content_type.startswith(_NO_MEDIA):
        raise _broken(f"it is {content_type[:60]}")
    length = response.headers.get("Content-Length", "").strip()
    sizes = {int(length)} if length.isdecimal() and not response.raw.chunked else set()
    if expected_size:
        sizes.add(expected_size)
    if len(sizes) > 1:
        raise _broken("its host and MiniMax disagree on its size")
    size = sizes.pop() if sizes else None
    if size and size > max_bytes:
        raise _broken(f"it is larger than {max_bytes} bytes")
    return size


def _broken(why: str, cause: Cause = errors.DOWNLOAD_BROKEN) -> MiniMaxError:
    log.warning("minimax_download_broken", why=why)
    return MiniMaxError(*cause)
