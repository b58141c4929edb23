"""How much of a request's body this process collects.

Twisted collects all of it, however long, before the application sees its first byte, and daphne then puts it into memory at
once. An application refuses what is over its own limit, but by then it is here.
"""

from typing import Any

from daphne.http_protocol import WebRequest


def collect_at_most(limit: int) -> None:
    """Under daphne, drop what comes after `limit` bytes of a body and one more, by which the application sees that it is too long.

    The client is heard out: it gets its answer, where a closed connection would be a reset.
    """
    collect = WebRequest.handleContentChunk

    def collect_some(request: Any, data: bytes) -> None:
        if room := max(0, limit + 1 - request.content.tell()):
            collect(request, data[:room])

    WebRequest.handleContentChunk = collect_some
