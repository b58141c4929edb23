"""The stack's processes live and die with their supervisor."""

import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from conduit.stack.valkey import answers
from tests.stack.conftest import PROCFILE, Running, eventually

RunStack = Callable[..., Running]


def _run_env(stack: Running) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (stack.home / "run.env").read_text().splitlines())


def test_a_killed_supervisor_leaves_no_process_behind(run_stack: RunStack) -> None:
    stack = run_stack()
    stack.hears("ready")
    assert set(stack.roster) == {"valkey", "web", "worker", "beat"}
    stack.signal(signal.SIGKILL)
    stack.ends()
    assert eventually(lambda: not any(_exists(pid) for pid in stack.roster.values()))


def test_what_makes_a_video_starts_first_and_the_rest_when_the_web_process_answers(run_stack: RunStack) -> None:
    waits = """sh -c 'until [ -e "$CONDUIT_HOME/go" ]; do sleep 0.02; done; exec "$@"' sh """
    stack = run_stack(procfile=PROCFILE.replace("web: ", f"web: {waits}"))
    assert eventually(lambda: (stack.home / "stack.json").exists() and set(stack.roster) == {"valkey", "web", "worker"})
    assert not eventually(lambda: "beat" in stack.roster, seconds=1)
    (stack.home / "go").touch()
    stack.hears("ready")
    assert set(stack.roster) == {"valkey", "web", "worker", "beat"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_everything_quietly_with_exit_status_zero(run_stack: RunStack, number: signal.Signals) -> None:
    stack = run_stack()
    stack.hears("ready")
    stack.signal(number)
    assert stack.ends() == (0, "")
    assert stack.leaves_nothing()
    assert not (stack.home / "run.env").exists()
    assert not (stack.home / "stack.json").exists()


def test_a_stop_signal_during_the_start_ends_everything_too(run_stack: RunStack) -> None:
    stack = run_stack(FAKE_PREPARATION="touch $CONDUIT_HOME/began; sleep 1000")
    assert eventually((stack.home / "began").exists)
    stack.signal(signal.SIGTERM)
    assert stack.ends() == (0, "")
    assert stack.leaves_nothing()


def test_processes_that_ignore_the_request_to_end_are_killed_with_their_children(run_stack: RunStack) -> None:
    stubborn = "worker: sh -c 'trap \"\" TERM; while true; do sleep 1; done'"
    stack = run_stack(procfile=PROCFILE.replace("worker:", "other:") + stubborn, FAKE_GRACE="0.5")
    stack.hears("ready")
    stack.signal(signal.SIGTERM)
    assert stack.ends() == (0, "")
    assert stack.leaves_nothing()


@pytest.mark.parametrize("name", ["worker", "web", "valkey"])
def test_a_process_that_dies_is_started_again_where_it_was(run_stack: RunStack, name: str) -> None:
    stack = run_stack()
    stack.hears("ready")
    url, before = _run_env(stack)["REDIS_URL"], stack.roster[name]
    os.kill(before, signal.SIGKILL)
    assert "killed by SIGKILL" in stack.hears(f"{name} ended")
    assert eventually(lambda: stack.roster[name] != before)
    assert eventually(lambda: answers(url, seconds=1))
    assert eventually(lambda: _health(stack) == 200)


def test_the_children_of_a_process_that_was_killed_go_with_it(run_stack: RunStack) -> None:
    nursery = 'worker: python -c \'import os, subprocess, time; p = subprocess.Popen(["sleep", "1000"]); open(os.environ["CONDUIT_HOME"] + "/child", "w").write(str(p.pid)); time.sleep(1000)\''  # noqa: E501
    stack = run_stack(procfile=PROCFILE.replace("worker:", "other:") + nursery)
    stack.hears("ready")
    assert eventually(lambda: (stack.home / "child").exists() and bool((stack.home / "child").read_text()))
    child = int((stack.home / "child").read_text())
    os.kill(stack.roster["worker"], signal.SIGKILL)
    stack.hears("worker ended")
    assert eventually(lambda: not _exists(child))


def test_two_stacks_run_side_by_side(run_stack: RunStack) -> None:
    first, second = run_stack("first"), run_stack("second")
    first.hears("ready")
    second.hears("ready")
    assert _run_env(first)["REDIS_URL"] != _run_env(second)["REDIS_URL"]
    first.signal(signal.SIGTERM)
    assert first.ends() == (0, "")
    assert _health(second) == 200
    assert answers(_run_env(second)["REDIS_URL"], seconds=30)


def test_a_stack_starts_at_once_after_the_one_before_it_was_killed(run_stack: RunStack) -> None:
    killed = run_stack()
    killed.hears("ready")
    before = _run_env(killed)["REDIS_URL"]
    killed.signal(signal.SIGKILL)
    killed.ends()
    stack = run_stack(PORT=str(killed.port))
    stack.hears("ready")
    assert _run_env(stack)["REDIS_URL"] != before


def test_valkey_keeps_what_it_holds_from_one_stack_to_the_next(run_stack: RunStack) -> None:
    import redis

    stack = run_stack()
    stack.hears("ready")
    with redis.Redis.from_url(_run_env(stack)["REDIS_URL"]) as client:
        client.set("kept", "yes")
    stack.signal(signal.SIGTERM)
    stack.ends()
    stack = run_stack()
    stack.hears("ready")
    with redis.Redis.from_url(_run_env(stack)["REDIS_URL"]) as client:
        assert client.get("kept") == b"yes"


def test_what_holds_secrets_is_for_its_owner_alone_and_off_the_command_lines(run_stack: RunStack) -> None:
    stack = run_stack()
    stack.hears("ready")
    for name in ("run.env", "valkey/valkey.conf", "logs/web.log", "logs/valkey.log"):
        assert stat.S_IMODE((stack.home / name).stat().st_mode) == 0o600, name
    password = _run_env(stack)["REDIS_URL"].split(":")[2].split("@")[0]
    for pid in stack.roster.values():
        assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    # Unlike ours, Valkey does not keep its environment from others of its user.
    assert b"MINIMAX_API_KEY" not in Path(f"/proc/{stack.roster['valkey']}/environ").read_bytes()


def test_a_valkey_without_its_password_answers_nobody(run_stack: RunStack) -> None:
    stack = run_stack()
    stack.hears("ready")
    port = _run_env(stack)["REDIS_URL"].rsplit(":", 1)[1]
    assert not answers(f"redis://127.0.0.1:{port}", seconds=1)


def _health(stack: Running) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{stack.port}/health", timeout=30).status_code
    except requests.RequestException:
        return 0


def _exists(pid: int) -> bool:
    """Whether the process runs; one that ended but was not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
