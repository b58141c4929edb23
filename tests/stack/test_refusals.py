"""What keeps a stack from starting is one clear line that says what to set."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from conduit.stack.environment import wanted_port
from conduit.stack.errors import CannotStart
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from tests.stack.conftest import PROCFILE, ROOT, Running

RunStack = Callable[..., Running]


def _refusal(stack: Running) -> str:
    """The line with which it refused, after which nothing of it runs."""
    status, errors = stack.ends()
    assert status == 1
    assert "Traceback" not in errors
    assert stack.leaves_nothing()
    return errors


def test_a_second_stack_on_the_same_home_is_refused_and_the_first_goes_on(run_stack: RunStack) -> None:
    first = run_stack()
    first.hears("ready")
    roster = first.roster
    status, errors = run_stack().ends()
    assert status == 1
    assert errors.startswith("conduit: A stack already runs on CONDUIT_HOME")
    assert errors.count("\n") == 1
    assert first.roster == roster
    assert (first.home / "run.env").exists()


def test_a_busy_port_is_refused_by_name_before_anything_starts(run_stack: RunStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stack = run_stack(PORT=str(taken.getsockname()[1]))
        errors = _refusal(stack)
    assert f"PORT {stack.port} on 127.0.0.1 is in use" in errors
    assert errors.count("\n") == 1
    assert not (stack.home / "valkey").exists()


def test_a_redis_that_does_not_answer_is_named_without_its_password(run_stack: RunStack) -> None:
    port = free_port()
    errors = _refusal(run_stack(REDIS_URL=f"redis://someone:hidden@127.0.0.1:{port}/0"))
    assert f"Redis does not answer at 127.0.0.1:{port}/0" in errors
    assert "REDIS_URL" in errors
    assert "hidden" not in errors
    assert errors.count("\n") == 1


def test_an_address_that_is_none_of_redis_is_refused_by_name(run_stack: RunStack) -> None:
    assert "REDIS_URL is no address of a Redis server" in _refusal(run_stack(REDIS_URL="localhost:6379"))


def test_a_preparation_that_fails_says_why_and_nothing_stays(run_stack: RunStack) -> None:
    stack = run_stack(FAKE_PREPARATION="echo conduit: the database does not answer. Set DATABASE_URL.; exit 1")
    assert _refusal(stack) == "conduit: the database does not answer. Set DATABASE_URL.\n"


def test_a_process_that_keeps_ending_at_the_start_is_shown_with_the_end_of_its_log(run_stack: RunStack) -> None:
    stack = run_stack(
        procfile=PROCFILE.replace("beat: sleep 1000", "beat: sh -c 'echo the schedule is gone; exit 3'").replace("site/health", "nowhere")
    )
    errors = _refusal(stack)
    assert errors.startswith("conduit: beat does not start.")
    assert "the schedule is gone" in errors


def test_a_home_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    from conduit.stack.files import private_folder

    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="Set CONDUIT_HOME to a folder"):
        private_folder(tmp_path / "file" / "home")


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "8000.5", "\uff18\uff10"])
def test_a_port_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(CannotStart, match="Set PORT to a number from 1 to 65535"):
        wanted_port({"PORT": text})


@pytest.mark.parametrize(("environment", "port"), [({}, 8000), ({"PORT": ""}, 8000), ({"PORT": "9001"}, 9001)])
def test_a_port_is_read_from_the_environment(environment: dict[str, str], port: int) -> None:
    assert wanted_port(environment) == port


def test_the_procfile_names_the_processes_that_production_runs() -> None:
    commands = read_procfile(ROOT / "Procfile")
    assert list(commands) == ["web", "worker", "media", "control", "notifications", "beat"]
    assert "conduit.asgi:application" in commands["web"]


@pytest.mark.parametrize(
    ("text", "fault"), [("web sleep", "line 1 is not `name: command`"), ("web: a\nweb: b", "line 2 names web a second time")]
)
def test_a_procfile_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "Procfile").write_text(text)
    with pytest.raises(CannotStart, match=fault):
        read_procfile(tmp_path / "Procfile")
