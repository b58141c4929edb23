"""Work that another core does while this one is busy."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(things: Generator[T, None, None], *, by: int) -> Generator[T, None, None]:
    """The same things, which a thread of their own makes ready, up to `by` of them before they are asked for.

    What `things` raise is raised here, in its place. A reader that stops early closes this, and `things` with it.
    """
    end = object()
    thread = ThreadPoolExecutor(1)
    try:
        begun = deque(thread.submit(next, things, end) for _ in range(by))
        while (thing := begun.popleft().result()) is not end:
            begun.append(thread.submit(next, things, end))
            yield thing  # type: ignore[misc] # only the end is no T
    finally:
        thread.shutdown(cancel_futures=True)
        things.close()
