"""Names the branches of money and of the engine that no test took, from coverage's JSON: `python -m tests.support.branches coverage.json`.

A report, and no gate: a branch that is not taken may be one that cannot be, and one that is taken may be tested badly.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What moves money, and what moves tasks.
MONEY = (
    *("keys/ledger.py", "keys/budgets.py", "keys/spending.py", "keys/locks.py", "keys/corrections.py"),
    *("tasks/lifecycle.py", "videos/money.py"),
)
ENGINE = ("videos/engine/", "videos/failures.py", "videos/late_money.py", "tasks/leases.py", "tasks/insisting.py", "tasks/own_limits.py")


def main(report: Path) -> None:
    files: dict[str, Any] = json.loads(report.read_text())["files"]
    for title, paths in (("Money", MONEY), ("Engine", ENGINE)):
        own = {name: file for name, file in files.items() if name.startswith(paths)}
        missed = [line for name, file in sorted(own.items()) for line in named(name, file["missing_branches"])]
        all_of_them = sum(file["summary"]["num_branches"] for file in own.values())
        print(f"\n{title}: {all_of_them - len(missed)} of {all_of_them} branches were taken.")
        print("\n".join(missed))


def named(name: str, branches: list[tuple[int, int]]) -> Iterator[str]:
    """`branches`: from the line to the line; one below 0 is the end of what begins there."""
    source = Path(name).read_text()
    lines, functions = source.splitlines(), list(_functions(ast.parse(source)))
    for at, to in branches:
        within = [function for function in functions if function.lineno <= at <= (function.end_lineno or at)]
        where = within[-1].name if within else "the module"
        yield f"  {name}:{at} {where}: from `{lines[at - 1].strip()}` to {f'`{lines[to - 1].strip()}`' if to > 0 else 'its end'}"


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Outer ones before those within."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


if __name__ == "__main__":
    main(Path(sys.argv[1]))
