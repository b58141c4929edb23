"""What may be tried a second time, and what makes a run red that pytest alone would call green.

A test that races real processes against the clock says so with `@pytest.mark.races_the_clock`: when it fails it is tried once
more. What passed only then is counted, printed and kept in a file of the run in `.second-tries`; more than three fail the run.
Rooms in which nothing has to race refuse the mark when tests are collected.
"""

import os
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

MARK = "races_the_clock"
NEVER_TWICE = frozenset({"money", "engine", "keys", "tasks", "api", "videos"})
MOST_SECOND_TRIES = 3
FOLDER = ".second-tries"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}: races real processes against the clock: tried once more when it fails")
    if not hasattr(config, "workerinput"):  # only the process that the shell waits for sees the whole run
        config.pluginmanager.register(Gate(config), "gate")


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Give marked tests their second try; what must not have one is an error of its module's collection."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Item):
            _allow_a_second_try(item, collector)
    return made


def _allow_a_second_try(item: pytest.Item, collector: pytest.Collector) -> None:
    if item.get_closest_marker("flaky"):
        raise collector.CollectError(f"{item.nodeid}: a second try is asked for with @pytest.mark.{MARK}, not with flaky")
    if not item.get_closest_marker(MARK):
        return
    room = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    if room in NEVER_TWICE:
        raise collector.CollectError(f"{item.nodeid}: tests of {room} have no second try, so none may be marked {MARK}")
    if not item.config.option.usepdb:  # whoever looks at a failure wants the first one
        item.add_marker(pytest.mark.flaky(reruns=1))


class Gate:
    """Watches a whole run, whatever number of workers it has."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.collected: dict[str, Sequence[str]] = {}  # by worker
        self.finished: set[str] = set()
        self.failed: set[str] = set()
        self.first_tries: dict[str, str] = {}  # how the first of two ended
        self.anything_ran = False
        self.troubles: list[str] = []
        self.kept: Path | None = None

    @property
    def second_tries(self) -> dict[str, str]:
        """Those that passed only then, with how their first try ended."""
        return {test: how for test, how in self.first_tries.items() if test not in self.failed}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected["the only process"] = [item.nodeid for item in session.items]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        self.collected[node.gateway.id] = ids

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        # xdist replaces a worker that died, also one whose conftest raised, and says no more about it.
        if error:
            self.troubles.append(f"worker {node.gateway.id} died: {str(error).strip().splitlines()[-1]}")
        elif (status := node.workeroutput["exitstatus"]) not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self.troubles.append(f"worker {node.gateway.id} ended with status {status}")

    def pytest_internalerror(self, excrepr: object) -> None:
        self.troubles.append(f"an internal error: {str(excrepr).strip().splitlines()[-1]}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "rerun":
            self.first_tries.setdefault(report.nodeid, report.longreprtext)
            return
        if report.when != "setup" or not report.passed:
            self.finished.add(report.nodeid)
        if report.failed:
            self.failed.add(report.nodeid)
        self.anything_ran |= report.when == "call" and not report.skipped

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.config.option.collectonly:
            return
        self._look_for_what_is_missing(otherwise_green=exitstatus == pytest.ExitCode.OK)
        if len(self.second_tries) > MOST_SECOND_TRIES:
            self.troubles.append(f"{len(self.second_tries)} tests passed only at the second try: {MOST_SECOND_TRIES} may")
        if self.second_tries:
            self.kept = self._keep()
        if self.troubles and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _look_for_what_is_missing(self, *, otherwise_green: bool) -> None:
        if len({tuple(sorted(tests)) for tests in self.collected.values()}) > 1:
            counts = ", ".join(f"{worker} {len(tests)}" for worker, tests in self.collected.items())
            self.troubles.append(f"workers collected different tests: {counts}")
        if not otherwise_green:
            return  # who stops at the first failure leaves tests out
        if missing := set().union(*self.collected.values()) - self.finished:
            self.troubles.append(f"{len(missing)} tests were collected and never run, such as {min(missing)}")
        if not self.anything_ran:
            self.troubles.append("nothing ran")

    def _keep(self) -> Path:
        now = datetime.now(UTC)
        kept = self.config.rootpath / FOLDER / f"{now:%Y-%m-%dT%H-%M-%S}-{os.getpid()}.txt"
        kept.parent.mkdir(exist_ok=True)
        database = os.environ.get("CONDUIT_TEST_DATABASE", "postgres")
        run = f"pytest {' '.join(map(str, self.config.invocation_params.args))} ({database}), ended {now:%Y-%m-%d %H:%M:%S} UTC"
        tests = [f"{test}\n{how}" for test, how in sorted(self.second_tries.items())]
        kept.write_text("\n\n".join([f"{run}: {len(tests)} passed only at the second try", *tests]) + "\n")
        return kept

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.second_tries:
            terminalreporter.section(f"{len(self.second_tries)} passed only at the second try", yellow=True)
            for test, how in sorted(self.second_tries.items()):
                terminalreporter.write_line(f"SECOND TRY {test} - {_reason(how)}")
            terminalreporter.write_line(f"How their first tries ended is in {self.kept}")
        if self.troubles:
            terminalreporter.section("this run cannot be trusted", red=True)
            for trouble in self.troubles:
                terminalreporter.write_line(f"GATE {trouble}", red=True)


def _reason(how: str) -> str:
    """The line of a traceback that says what was wrong."""
    lines = how.splitlines()
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return (errors or lines or ["no traceback"])[0]
