"""The MiniMax of chains: numbered frames."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from videos.minimax.sandbox import Sandbox


@pytest.fixture
def sandbox(settings: LazySettings, tmp_path: Path) -> Iterator[Sandbox]:
    """A MiniMax of its own, whose clips are an eighth as wide and high and number their frames."""
    with Sandbox(tmp_path / "sandbox", time_scale=0.0001, clip_scale=8, numbers=True) as server:
        settings.MINIMAX_BASE_URL, settings.MINIMAX_API_KEY = server.url, server.api_key
        yield server
