"""What is kept of a request's body while it comes, before the application sees its first byte.

Twisted collects a body, however long, and writes one of more than 100 KB to a file; daphne then puts all of it into memory. Here so
much is kept as any request without a key may hold, in memory, and more only of clients that may send it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import unquote

from daphne.http_protocol import WebRequest

# Of a body whose sender is not known; and what twisted reads at once, which may come on top of it.
UNKNOWN_BYTES, _PIECE_BYTES = 256 * 1024, 64 * 1024

Admits = Callable[[dict[str, Any]], Awaitable[bool]]


def collect_at_most(usual: int, limits: Mapping[bytes, int], admits: Admits | None) -> None:
    """Drop what comes after a path's limit of bytes and one more, by which the application sees that it is too long.

    The client is heard out: it gets its answer, where a closed connection would be a reset. `admits` says of a request, as a scope of
    what its headers tell, whether its body may be longer than UNKNOWN_BYTES: nothing more of it is read until that is known.
    """
    collect = WebRequest.handleContentChunk
    asking: set[asyncio.Task[None]] = set()

    def collect_some(request: Any, data: bytes) -> None:
        limit = getattr(request, "body_limit", None) or limits.get(request.channel._path.partition(b"?")[0], usual)
        held = request.content.tell()
        if admits and held + len(data) > UNKNOWN_BYTES and limit > UNKNOWN_BYTES and not hasattr(request, "body_limit"):
            request.body_limit = limit
            request.channel.transport.pauseProducing()
            asking.add(task := asyncio.get_running_loop().create_task(_ask(request, admits)))
            task.add_done_callback(asking.discard)
        if room := max(0, limit + 1 - held):
            collect(request, data[:room])

    WebRequest.handleContentChunk = collect_some
    WebRequest.gotLength = _got_length


async def _ask(request: Any, admits: Admits) -> None:
    may = False
    try:
        may = await admits(_scope_of(request))
    finally:
        if not may:
            request.body_limit = UNKNOWN_BYTES
        if request.channel and not request.channel.transport.disconnected:
            request.channel.transport.resumeProducing()


def _got_length(request: Any, length: int | None) -> None:
    request.content = SpooledTemporaryFile(max_size=UNKNOWN_BYTES + 2 * _PIECE_BYTES)  # noqa: SIM115 - twisted closes it


def _scope_of(request: Any) -> dict[str, Any]:
    """What an application would be told of it, as far as its headers say."""
    path, _, query = request.channel._path.partition(b"?")
    peer = request.channel.transport.getPeer()
    headers = [(name.lower(), value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
    client = (str(getattr(peer, "host", "")), getattr(peer, "port", 0))
    return {"type": "http", "path": unquote(path.decode("latin-1")), "query_string": query, "headers": headers, "client": client}
