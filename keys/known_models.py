"""Which models and sizes there are, told by the rooms that offer them: each registers how they are found."""

from collections.abc import Callable, Iterable, Sequence

_registered: list[Callable[[], Iterable[Sequence[str]]]] = []
_sizes: list[str] = []


def register(models: Callable[[], Iterable[Sequence[str]]], *, sizes: Sequence[str] = ()) -> None:
    """`models` gives each of a room's models as its name and then its aliases, those that are switched off included.

    `sizes`: what its videos can be asked for in, such as 1280x720.
    """
    _registered.append(models)
    _sizes.extend(size for size in sizes if size not in _sizes)


def all_sizes() -> list[str]:
    """Those with fewer pixels first."""
    return sorted(_sizes, key=lambda size: (pixels(size), size))


def pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)


def all_models() -> list[tuple[str, ...]]:
    """The name and then the aliases of each."""
    return [tuple(names) for models in _registered for names in models()]


def names_of(name: str) -> tuple[str, ...]:
    """All names of the model that has this one, its own first; none when no model has it."""
    return next((names for names in all_models() if name in names), ())


def check_models(wanted: Sequence[str]) -> None:
    """Raises ValueError for a name that no model has: a key would never be allowed anything by it."""
    known = {name for names in all_models() for name in names} if wanted else set()
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"holds {unknown[0]!r}, which is no model here: there are {', '.join(sorted(known))}")
