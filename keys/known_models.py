"""Which models a key can be given, told by the rooms that offer them: each registers how its names are found."""

from collections.abc import Callable, Iterable, Sequence

_registered: list[Callable[[], Iterable[str]]] = []


def register(names: Callable[[], Iterable[str]]) -> None:
    """`names` gives the names and aliases of a room's models, those that are switched off included."""
    _registered.append(names)


def check_models(wanted: Sequence[str]) -> None:
    """Raises ValueError for a name that no model has: a key would never be allowed anything by it."""
    known = {name for names in _registered for name in names()} if wanted else set()
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"holds {unknown[0]!r}, which is no model here: there are {', '.join(sorted(known))}")
