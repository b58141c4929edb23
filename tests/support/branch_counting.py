"""With COUNT_BRANCHES=1, which branches of money and of the engine their rooms' tests took, named at the end of the run.

Counting takes most of the time again of all code that runs meanwhile (35 processor seconds of three files became 61 and 66), so it
goes on and off with those tests. What processes of their own do is not seen.
"""

from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

from tests.support import branches

ROOMS = {"money", "engine", "keys"}
ROOT = Path(__file__).resolve().parents[2]
_DATA, _REPORT = ROOT / ".coverage.branches", ROOT / ".coverage.json"


class BranchCounting:
    """For one process of a run; the one that the others work for puts it together."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workerinput")
        counted = [f"{path}*" if path.endswith("/") else path for path in (*branches.MONEY, *branches.ENGINE)]
        self._coverage = coverage.Coverage(
            data_file=str(_DATA), data_suffix=True, config_file=False, branch=True, include=[str(ROOT / path) for path in counted]
        )
        self._coverage.exclude("if TYPE_CHECKING:")
        if not self._is_worker:
            for left in ROOT.glob(f"{_DATA.name}.*"):
                left.unlink()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if item.path.relative_to(ROOT / "tests").parts[0] not in ROOMS:
            return (yield)
        self._coverage.start()
        try:
            return (yield)
        finally:
            self._coverage.stop()

    def pytest_sessionfinish(self) -> None:
        self._coverage.save()

    def pytest_terminal_summary(self) -> None:
        if self._is_worker or not list(ROOT.glob(f"{_DATA.name}.*")):
            return
        self._coverage.combine([str(ROOT)])
        self._coverage.json_report(outfile=str(_REPORT))
        branches.main(_REPORT)
