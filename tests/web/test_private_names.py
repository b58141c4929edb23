"""What conduit/web uses of daphne, twisted and autobahn and nobody promises: an upgrade that changes one fails here by its name.

conduit/web/README.md lists them with the version that was read and a digest of their source. `python -m tests.web.test_private_names`
prints the list with what is installed now: read what changed, and why the name is used, before you take it over.
"""

import ast
import hashlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import daphne.server  # noqa: F401  # it sets the reactor, and refuses to when one of the others was imported first
import pytest

WEB = Path(__file__).parents[2] / "conduit" / "web"
README = WEB / "README.md"
LIBRARIES = ("daphne", "twisted", "autobahn")
_ROW = re.compile(r"\| `(?P<name>(?:daphne|twisted|autobahn)\.[\w.]+)` \| `(?P<digest>[0-9a-f]{12})` \|")
_VERSION = re.compile(r"^## (daphne|twisted|autobahn) ([0-9.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Used:
    name: str
    digest: str


def listed() -> list[Used]:
    return [Used(row["name"], row["digest"]) for row in _ROW.finditer(README.read_text())]


def found(name: str) -> tuple[Any, str]:
    """What holds the last part of the name, and that part; AssertionError when there is nothing of the rest."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            holder: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:-1]:
            assert hasattr(holder, part), f"{name}: there is no {part}"
            holder = getattr(holder, part)
        return holder, parts[-1]
    raise AssertionError(f"{name}: there is no such module")


def source_of(name: str) -> str:
    """The source of a function or class; of an attribute, all lines of its holder that name it."""
    holder, last = found(name)
    value = inspect.getattr_static(holder, last, None)
    if isinstance(value, FunctionType | type):
        return inspect.getsource(value)
    lines = [line.strip() for line in inspect.getsource(holder).splitlines() if re.search(rf"\b{last}\b", line)]
    assert lines, f"{name}: its class or module does not name it any more"
    return "\n".join(lines)


def digest_of(name: str) -> str:
    return hashlib.sha256(source_of(name).encode()).hexdigest()[:12]


@pytest.mark.parametrize("used", listed(), ids=lambda used: used.name)
def test_what_is_used_and_not_promised_is_what_was_read(used):
    assert digest_of(used.name) == used.digest, f"{used.name} is not what was read: see conduit/web/README.md for why it is used"


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_version_is_the_one_that_was_read_and_no_other_may_be_installed(library):
    read = dict(_VERSION.findall(README.read_text()))[library]

    assert version(library) == read
    assert re.search(rf"^{library}=={re.escape(read)}\b", (WEB.parents[1] / "requirements.txt").read_text(), re.MULTILINE | re.IGNORECASE)


def test_every_private_name_that_is_used_is_listed():
    names = {used.name.rpartition(".")[2] for used in listed()}
    used = {f"{path.name}: {name}" for path in sorted(WEB.glob("*.py")) for name in private_names_in(ast.parse(path.read_text()))}

    assert {one for one in used if one.rpartition(" ")[2] not in names} == set()


def private_names_in(module: ast.Module) -> Iterator[str]:
    """Of modules that import the libraries: names with an underscore of what is not their own, and what they put another in place of."""
    imported = set(imported_from_libraries(module))
    if not imported:
        return
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr) and ast.unparse(node.value) not in ("self", "cls"):
            yield node.attr
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"_[a-z]+", node.value):
            yield node.value
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value).partition(".")[0] in imported:
                    yield target.attr


def imported_from_libraries(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES:
            yield from (alias.asname or alias.name for alias in node.names)


def test_a_name_that_is_gone_fails_by_its_name():
    with pytest.raises(AssertionError, match=r"HTTPChannel\._gone"):
        digest_of("twisted.web.http.HTTPChannel._gone")
    with pytest.raises(AssertionError, match="there is no Gone"):
        digest_of("twisted.web.http.Gone.name")


def _print_current() -> None:
    def current(row: re.Match[str]) -> str:
        return row[0].replace(row["digest"], digest_of(row["name"]))

    print(_VERSION.sub(lambda head: f"## {head[1]} {version(head[1])}", _ROW.sub(current, README.read_text())))


if __name__ == "__main__":
    _print_current()
