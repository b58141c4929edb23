"""The settings as they are read from an environment."""

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "conduit" / "settings.py"
BOUNDS = ROOT / "conduit" / "web" / "bounds.py"  # which the settings have read a part of them
READ = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', SETTINGS.read_text() + BOUNDS.read_text()))


@pytest.fixture
def settings_with(tmp_path, monkeypatch):
    """What the settings are with these variables and no others, in a folder where nobody keeps anything."""
    place = tmp_path / "conduit" / "settings.py"
    place.parent.mkdir()
    shutil.copy(SETTINGS, place)

    def read(**variables: str) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            for name in READ:
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            named = runpy.run_path(str(place))
        # LOGGING holds objects, which are never alike: what it is made of is LOG_LEVEL.
        return {name: value for name, value in named.items() if name.isupper() and name != "LOGGING"}

    return read
