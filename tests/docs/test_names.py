"""Pages lead somewhere, and what they name is there."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.docs.pages import PAGES, ROOT, anchors, blocks, prose

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page: Path):
    lost = []
    for target in _LINK.findall(prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(target)
    assert lost == []


def test_each_make_target_and_management_command_that_a_page_names_is_there():
    said = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    assert {name for name in re.findall(r"\bmake ([a-z][a-z-]+)\b(?=[`\s])", _code(said)) if name not in targets} == set()
    assert set(re.findall(r"manage\.py ([a-z_]+)", said)) <= set(get_commands())


def _code(text: str) -> str:
    return "\n".join(re.findall(r"`([^`\n]+)`", text)) + "\n"


def test_each_setting_that_a_page_tells_is_read():
    source = "".join(path.read_text() for path in [ROOT / "Procfile", *(ROOT / "conduit").rglob("*.py")])
    told = re.findall(r"^\| (`[A-Z0-9_]+`(?:, `[A-Z0-9_]+`)*) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    assert {name for names in told for name in re.findall(r"[A-Z0-9_]+", names) if name not in source} == set()


def test_the_readme_is_read_in_a_few_minutes():
    said = (ROOT / "README.md").read_text()
    assert len(said.split()) <= 1000
    assert sum(1 for block in blocks(ROOT / "README.md") if block.language == "sh" and not block.reason) == 1


def test_the_version_has_a_chapter_among_the_changes():
    from conduit.version import VERSION

    assert f"\n## {VERSION}\n" in (ROOT / "CHANGELOG.md").read_text()
