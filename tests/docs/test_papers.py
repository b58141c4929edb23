"""What papers for contributors say of the code is there: rooms, places, locks, states."""

import re
import tomllib
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tasks.models import Status
from tests.docs.pages import ROOT
from tests.docs.places import compared, places_of, sections
from videos.engine import STEPS
from videos.models import ClipState
from videos.stages import Stage

PAPERS = sorted([ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs" / "decisions").glob("*.md")])
PAPERS += [ROOT / "docs" / f"{name}.md" for name in ("architecture", "concurrency", "glossary", "development")]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:[\w.]+/)+(?:[\w.]+\.\w+)?|\.?\w[\w-]*\.(?:py|toml|md|example)")
_NAME = re.compile(r"(?:conduit|keys|tasks|videos|tests)(?:\.\w+)+")
# In diagrams names are short: of modules of these packages.
_SHORT = re.compile(r"\b([a-z_]+)\.([a-z_]+)\b")
_PACKAGES = ("videos.engine.", "videos.", "tasks.", "")


def code_of(page: Path) -> list[str]:
    return _CODE.findall(page.read_text())


@cache
def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or what one holds. A module that is all of the name is found without being run."""
    with suppress(ModuleNotFoundError):
        if find_spec(name):
            return True
    module, _, last = name.rpartition(".")
    return "." in name and is_there(module) and hasattr(_found(module), last)


def _found(name: str) -> object:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _, last = name.rpartition(".")
        return getattr(_found(module), last)


@pytest.mark.parametrize("page", PAPERS, ids=lambda page: page.stem)
def test_each_path_that_a_paper_names_exists(page: Path):
    named = [text for text in code_of(page) if _PATH.fullmatch(text)]
    assert [path for path in named if not any(there for start in ("", "*/", "*/*/") for there in ROOT.glob(start + path))] == []


@pytest.mark.parametrize("page", PAPERS, ids=lambda page: page.stem)
def test_each_name_of_code_that_a_paper_names_exists(page: Path):
    assert [name for name in code_of(page) if _NAME.fullmatch(name) and not is_there(name)] == []


def test_each_room_of_the_import_contracts_is_told_of_in_their_order():
    layers = CONTRACTS[0]["layers"]
    rooms = [re.split(r" [|:] ", layer) for layer in layers]
    told = set(code_of(ROOT / "docs" / "architecture.md"))
    assert {room for layer in rooms for room in layer} - told == set()
    block = re.search(r"```\n(urls, .*?)```", ARCHITECTURE, re.DOTALL)[1]
    lines = [{name.removeprefix("conduit.") for name in line.split(", ")} for line in block.splitlines()]
    assert lines == [{room.removeprefix("conduit.") for room in layer} for layer in rooms]


def test_the_diagrams_know_each_state_and_each_step():
    statuses, clips = re.findall(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert set(re.findall(r"\w+(?= -->)|(?<=--> )\w+", statuses)) == set(Status.values)
    assert set(re.findall(r"\w+(?= -->)|(?<=--> )\w+", clips)) == set(ClipState.values)
    assert [stage for stage in (*Stage, *Status.values) if f"`{stage}`" not in ARCHITECTURE and stage != "processing"] == []
    steps = {f"{step.__module__.rpartition('.')[2]}.{step.__name__}" for step in STEPS.values()}
    assert steps - set(re.findall(r"\w+\.\w+", clips)) == set()


def test_each_function_that_the_diagrams_name_exists():
    named = {".".join(pair) for block in re.findall(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL) for pair in _SHORT.findall(block)}
    assert sorted(name for name in named if not any(is_there(package + name) for package in _PACKAGES)) == []


def test_a_change_is_held_against_the_list_of_its_places():
    assert [heading for heading in sections() if not places_of(heading)] == []
    strays, untouched = compared("A stage", ["videos/stages.py", "videos/engine/polling.py", "tasks/models.py"])
    assert strays == ["tasks/models.py"]
    assert "videos/engine/" not in untouched
    assert "docs/api.md" in untouched
