"""A small suite of its own, with our gate and several workers: which runs are green, and which are not."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import gate

CONFTEST = 'pytest_plugins = ["tests.support.gate"]\n'
INI = """
[pytest]
addopts = --strict-markers -ra
filterwarnings = error
testpaths = tests
faulthandler_timeout = 3
faulthandler_exit_on_timeout = true
"""
PASSES = "def test_passes():\n    pass\n"
# True for the first process that asks, of all that ever will.
ONCE = """
import os

def first(name):
    try:
        os.close(os.open(f"{os.environ['MADE_UP']}/{name}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
"""
A_LOST_RACE = """
import pytest

from once import first

@pytest.mark.races_the_clock
def test_loses_its_first_race_{number}():
    assert not first("race-{number}"), "too late"
"""


class Run(NamedTuple):
    status: int
    said: str
    kept: list[str]


class Suite:
    """Files of tests around a copy of the gate, and `pytest` over them as the Makefile calls it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.add("pytest.ini", INI)
        self.add("once.py", ONCE)
        for package in ("tests", "tests/support"):
            self.add(f"{package}/__init__.py", "")
        self.add("tests/support/gate.py", Path(gate.__file__).read_text())
        self.add("tests/conftest.py", CONFTEST)
        for number in range(4):
            self.add(f"tests/stack/test_passes_{number}.py", PASSES)

    def add(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *, workers: int = 2) -> Run:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DJANGO_", "CONDUIT_"))}
        environment |= {"MADE_UP": str(self.root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the rest takes a second to import
        plugins = ["-p", "xdist", "-p", "pytest_randomly", "-p", "pytest_rerunfailures", "-p", "no:cacheprovider"]
        many = ["-n", str(workers), "--dist", "worksteal"] if workers else []
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, *many],
            cwd=self.root, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout + done.stderr, [file.read_text() for file in (self.root / gate.FOLDER).glob("*")])


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def lose_races(suite: Suite, count: int) -> None:
    for number in range(count):
        suite.add(f"tests/stack/test_race_{number}.py", A_LOST_RACE.format(number=number))


def test_a_run_in_which_everything_passed_is_green(suite: Suite) -> None:
    run = suite.run()
    assert (run.status, run.kept) == (0, []), run.said
    assert re.search(r"= 4 passed in ", run.said), run.said


def test_a_marked_test_that_fails_once_is_green_counted_printed_and_kept(suite: Suite) -> None:
    lose_races(suite, 1)
    run = suite.run()
    assert run.status == 0, run.said
    assert re.search(r"= 5 passed, 1 rerun in ", run.said), run.said
    assert "= 1 passed only at the second try =" in run.said
    assert "SECOND TRY tests/stack/test_race_0.py::test_loses_its_first_race_0 - AssertionError: too late" in run.said
    [kept] = run.kept
    assert "tests/stack/test_race_0.py::test_loses_its_first_race_0\n" in kept
    assert "AssertionError: too late" in kept


def test_three_tests_may_pass_only_at_the_second_try(suite: Suite) -> None:
    lose_races(suite, 3)
    run = suite.run()
    assert run.status == 0, run.said
    assert "= 3 passed only at the second try =" in run.said


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fourth_that_passes_only_at_the_second_try_is_red(suite: Suite, workers: int) -> None:
    lose_races(suite, 4)
    run = suite.run(workers=workers)
    assert run.status == 1, run.said
    assert re.search(r"= 8 passed, 4 rerun in ", run.said), run.said
    assert "GATE 4 tests passed only at the second try: 3 may" in run.said
    assert run.kept[0].count("AssertionError: too late") >= 4


def test_a_marked_test_that_fails_twice_is_red_and_no_second_try_that_passed(suite: Suite) -> None:
    suite.add("tests/stack/test_broken.py", "import pytest\n\n@pytest.mark.races_the_clock\ndef test_fails():\n    assert False\n")
    run = suite.run()
    assert (run.status, run.kept) == (1, []), run.said
    assert "passed only at the second try" not in run.said


def test_an_unmarked_test_has_one_try(suite: Suite) -> None:
    suite.add("tests/stack/test_race.py", A_LOST_RACE.format(number=1).replace("@pytest.mark.races_the_clock\n", ""))
    run = suite.run()
    assert run.status == 1, run.said
    assert re.search(r"= 1 failed, 4 passed in ", run.said), run.said


@pytest.mark.parametrize("workers", [0, 2])
def test_a_marked_test_in_a_room_without_races_is_red(suite: Suite, workers: int) -> None:
    rooms = ("money", "engine", "keys", "tasks", "api", "videos")
    for room in rooms:
        suite.add(f"tests/{room}/deeper/test_{room}.py", f"import pytest\n\npytestmark = pytest.mark.races_the_clock\n\n{PASSES}")
    run = suite.run(workers=workers)
    assert run.status != 0, run.said
    for room in rooms:
        assert f"tests of {room} have no second try, so none may be marked races_the_clock" in run.said


def test_no_way_of_marking_goes_around_that(suite: Suite) -> None:
    on_a_class = f"@pytest.mark.races_the_clock\nclass TestAll:\n    {PASSES.replace('()', '(self)').replace('    ', ' ' * 8)}"
    on_a_value = "@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.races_the_clock)])\ndef test_passes(n):\n    pass\n"
    suite.add("tests/money/test_class.py", f"import pytest\n\n{on_a_class}")
    suite.add("tests/money/test_value.py", f"import pytest\n\n{on_a_value}")
    run = suite.run(workers=0)
    assert run.status != 0, run.said
    assert "test_class.py::TestAll::test_passes: tests of money have no second try" in run.said
    assert "test_value.py::test_passes[1]: tests of money have no second try" in run.said


def test_a_second_try_without_our_mark_is_red(suite: Suite) -> None:
    suite.add("tests/stack/test_flaky.py", f"import pytest\n\n@pytest.mark.flaky(reruns=3)\n{PASSES}")
    run = suite.run()
    assert run.status == 1, run.said
    assert "a second try is asked for with @pytest.mark.races_the_clock, not with flaky" in run.said


# What breaks a run, and what the run then says: a file, its text, and words.
BROKEN = {
    "a broken test": ("tests/stack/test_broken.py", "def test_fails():\n    assert False\n", "1 failed, 4 passed"),
    "a module that fails to import once": (
        "tests/stack/test_module.py",
        f"from once import first\nif first('import'):\n    raise OSError('once')\n\n{PASSES}",
        "ERROR tests/stack/test_module.py - OSError: once",
    ),
    "a conftest that raises once": (
        "tests/conftest.py",
        f"from once import first\n{CONFTEST}if first('conftest'):\n    raise OSError('once')\n",
        "OSError: once",
    ),
    "a conftest that raises once in a worker": (
        "tests/conftest.py",
        f"import os\nfrom once import first\n{CONFTEST}"
        "if 'PYTEST_XDIST_WORKER' in os.environ and first('conftest'):\n    raise OSError('once')\n",
        "GATE worker gw",
    ),
    "a conftest of a room that raises once": (
        "tests/stack/conftest.py",
        "from once import first\nif first('conftest'):\n    raise OSError('once')\n",
        "OSError: once",
    ),
    "a worker that collects other tests once": (
        "tests/stack/test_other.py",
        f"from once import first\n{PASSES}\nif first('other'):\n    def test_of_one_worker():\n        pass\n",
        "GATE workers collected different tests: ",
    ),
    "a worker that collects nothing once": (
        "tests/stack/conftest.py",
        "from once import first\n\ndef pytest_collection_modifyitems(items):\n    if first('nothing'):\n        items.clear()\n",
        "GATE workers collected different tests: ",
    ),
    "a worker that dies once": (
        "tests/stack/test_death.py",
        "import os, pytest\nfrom once import first\n\n@pytest.mark.races_the_clock\n"
        "def test_dies():\n    if first('death'):\n        os._exit(3)\n",
        "GATE worker gw",
    ),
    "a plugin that breaks once": (
        "tests/stack/conftest.py",
        "from once import first\n\ndef pytest_runtest_logfinish():\n    if first('hook'):\n        raise OSError('once')\n",
        "OSError: once",
    ),
    "a test that is swallowed": (
        "tests/stack/conftest.py",
        "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item):\n"
        "    return True if 'passes_3' in item.nodeid else None\n",
        "GATE 1 tests were collected and never run, such as tests/stack/test_passes_3.py::test_passes",
    ),
    "a test that hangs": (
        "tests/stack/test_hangs.py",
        "import threading\n\ndef test_hangs():\n    threading.Event().wait()\n",
        "crashed while running 'tests/stack/test_hangs.py::test_hangs'",
    ),
    "tests that are all skipped": (
        "tests/stack/conftest.py",
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef away():\n    pytest.skip('no database')\n",
        "GATE nothing ran",
    ),
    "no test at all": (
        "tests/conftest.py",
        f"{CONFTEST}\ndef pytest_collection_modifyitems(items):\n    items.clear()\n",
        "no tests ran",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_run_is_red_with(suite: Suite, broken: str) -> None:
    path, text, says = BROKEN[broken]
    suite.add(path, text)
    run = suite.run()
    assert run.status != 0, run.said
    assert says in run.said
