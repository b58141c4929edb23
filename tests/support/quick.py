"""Leaves only tests that compute: no database, no process, no server, no thread. `make check` runs them between two edits:
`pytest -p tests.support.quick`."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Rooms in which others of that kind are few, and would have to be collected to be found.
ROOMS = ("api", "conduit", "docs", "engine", "keys", "signalr", "streams", "tasks", "videos", "web")
# A module of tests that has one of these, or whose words for it are these, starts something or waits for it.
STARTS = frozenset({"asyncio", "redis", "requests", "socket", "subprocess", "threading", "time"})
_WORDS = ("django_db", "tests.support", "tests.signalr.client", "tests.conftest", "minimax.sandbox", "import child", "moto", "Client(")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without importing them: most modules of tests say in their text that they are of another kind."""
    folder = config.rootpath / "tests"
    if collection_path.parent == folder and collection_path.is_dir() and collection_path.name not in ROOMS:
        return True
    if collection_path.name.startswith("test_"):
        return any(word in collection_path.read_text() for word in _WORDS)
    return None


def is_quick(item: pytest.Item) -> bool:
    module: Any = getattr(item, "module", None)
    imported = {value.__name__ for value in vars(module).values() if isinstance(value, ModuleType)}
    fixtures = set(getattr(item, "fixturenames", ()))
    return not (imported & STARTS or fixtures & {"db", "transactional_db", "prepared"} or item.get_closest_marker("soak"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not is_quick(item)]
    items[:] = [item for item in items if is_quick(item)]
    config.hook.pytest_deselected(items=left_out)
