"""A plug-in for a run of the tests: which branches of money and of the engine none of them took, named at the end.

It must come before anything of ours is imported: `COUNT_BRANCHES=1 make test` names it in PYTEST_PLUGINS. What processes of their
own do is not seen. slipcover takes out what has counted once: 127 tests took 54 processor seconds without it and 58 with it, and more
than 90 when all that ran was traced.

A report, and no gate: a branch that is not taken may be one that cannot be, and one that is taken may be tested badly.
"""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from slipcover import FileMatcher, ImportManager, Slipcover, merge_coverage

# What moves money, and what moves tasks.
MONEY = (
    *("keys/ledger.py", "keys/budgets.py", "keys/spending.py", "keys/locks.py", "keys/corrections.py"),
    *("tasks/lifecycle.py", "videos/money.py"),
)
ENGINE = ("videos/engine/", "videos/failures.py", "videos/late_money.py", "tasks/leases.py", "tasks/insisting.py", "tasks/own_limits.py")
ROOT = Path(__file__).resolve().parents[2]
_COUNTS = ".coverage.branches"  # of each process, with its number behind


_counted = Slipcover(branch=True)
ImportManager(_counted, FileMatcher([str(ROOT / path) for path in (*MONEY, *ENGINE)])).__enter__()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        os.environ.pop("PYTEST_PLUGINS", None)  # a run that a test starts is none of this one
        return
    for left in ROOT.glob(f"{_COUNTS}.*"):
        left.unlink()


def pytest_sessionfinish() -> None:
    counts = _counted.get_coverage()
    if counts["files"]:
        (ROOT / f"{_COUNTS}.{os.getpid()}").write_text(json.dumps(counts))


def pytest_terminal_summary(config: pytest.Config) -> None:
    of_each = [json.loads(path.read_text()) for path in ROOT.glob(f"{_COUNTS}.*")]
    if hasattr(config, "workerinput") or not of_each:
        return
    counts = of_each[0]
    for other in of_each[1:]:
        merge_coverage(counts, other)
    for title, paths in (("Money", MONEY), ("Engine", ENGINE)):
        own = {name: file for name, file in sorted(counts["files"].items()) if name.startswith(paths)}
        missed = [line for name, file in own.items() for line in named(name, file["missing_branches"])]
        taken = sum(len(file["executed_branches"]) for file in own.values())
        print(f"\n{title}: {taken} of {taken + len(missed)} branches were taken.")
        print("\n".join(missed))


def named(name: str, branches: list[tuple[int, int]]) -> Iterator[str]:
    """`branches`: from the line to the line; to 0 is to the end of what begins there."""
    source = (ROOT / name).read_text()
    lines, functions = source.splitlines(), list(_functions(ast.parse(source)))
    for at, to in branches:
        within = [function for function in functions if function.lineno <= at <= (function.end_lineno or at)]
        where = within[-1].name if within else "the module"
        yield f"  {name}:{at} {where}: from `{lines[at - 1].strip()}` to {f'`{lines[to - 1].strip()}`' if to else 'its end'}"


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Outer ones before those within."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
