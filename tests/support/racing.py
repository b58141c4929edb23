"""Work that really happens at the same time: in threads, each with a database connection of its own."""

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

Found = TypeVar("Found")


def in_threads(*works: Callable[[], Found]) -> list[Found]:
    """What each of them gave, all begun at the same moment; raises what the first of them raised."""
    begin = threading.Barrier(len(works))
    found: dict[int, Found] = {}
    failures: list[Exception] = []

    def run(number: int, work: Callable[[], Found]) -> None:
        try:
            begin.wait(timeout=120)
            found[number] = work()
        except Exception as error:  # noqa: BLE001 - raised again where the test sees it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=entry) for entry in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    if failures:
        raise failures[0]
    return [found[number] for number in range(len(works))]
