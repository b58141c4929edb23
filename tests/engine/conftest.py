"""The MiniMax of chains: numbered frames."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from videos.minimax.sandbox import Sandbox


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all sandboxes find what one of them drew: a clip's name says all that is in it."""
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture
def sandbox(settings: LazySettings, tmp_path: Path, drawn: Path) -> Iterator[Sandbox]:
    """A MiniMax of its own, whose clips are an eighth as wide and high and number their frames."""
    (tmp_path / "sandbox").mkdir(mode=0o700)
    (tmp_path / "sandbox" / "clips").symlink_to(drawn)
    with Sandbox(tmp_path / "sandbox", time_scale=0.0001, clip_scale=8, numbers=True) as server:
        settings.MINIMAX_BASE_URL, settings.MINIMAX_API_KEY = server.url, server.api_key
        yield server
