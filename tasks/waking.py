"""What in this process does the steps of a lane by itself, and is woken by a hint rather than have it do one."""

from collections.abc import Callable

_wake: dict[str, Callable[[], None]] = {}


def register(lane: str, wake: Callable[[], None]) -> None:
    _wake[lane] = wake


def wake(lane: str) -> bool:
    """Have them look for what is due; False when there is nobody."""
    if lane not in _wake:
        return False
    _wake[lane]()
    return True
