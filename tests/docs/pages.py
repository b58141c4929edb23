"""The pages of the repository and what stands in them: blocks of code, links, names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for folder, pattern in (("", "*.md"), ("docs", "**/*.md"), ("ops", "**/*.md"), ("conduit", "**/README.md"))
    for page in (ROOT / folder).glob(pattern)
)
# Languages whose blocks are commands or programs, and those that are shown only.
RUN, SHOWN = frozenset({"sh", "python", "js"}), frozenset({"", "json", "yaml", "nginx", "mermaid"})

# Those within lists are indented.
_FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"not run here: (?P<reason>.+?)(?: -->)?$")
# Of what a test of its own runs: on which of its hosts, or which test that is.
_HOSTS = re.compile(r"<!-- on (?P<hosts>[a-z, -]+) -->$")
_TEST = re.compile(r"<!-- run by (?P<test>tests/[\w/]+\.py)[^>]* -->$")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """`reason`: why it is not run, where it is marked so: by a comment before it or in its first line. `hosts`: where another test runs it
    (tests/ops/test_operating.py), or which test does."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    hosts: tuple[str, ...] = ()
    in_turn: bool = False  # on one of them after the other: `on node-a, then node-b`

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    said = page.read_text()
    for fence in _FENCE.finditer(said):
        before = said[: fence.start()].rstrip("\n").rpartition("\n")[2]
        marks = [_MARK.search(line) for line in (before if before.lstrip().startswith("<!--") else "", fence["text"].partition("\n")[0])]
        reason = next((mark["reason"] for mark in marks if mark), None)
        on, test = _HOSTS.search(before), _TEST.search(before)
        hosts = tuple(re.split(r", then |, ", on["hosts"])) if on else (test["test"],) if test else ()
        in_turn = bool(on and ", then " in on["hosts"])
        yield Block(page, said[: fence.start()].count("\n") + 1, fence["language"], fence["text"], reason, hosts, in_turn)


def anchors(page: Path) -> set[str]:
    """What links may lead to within it, as hosts of repositories make it of headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(page: Path) -> str:
    """All but the blocks."""
    return _FENCE.sub("", page.read_text())
