"""Several accounts of the sandbox: keys, paces and balances of their own."""

from decimal import Decimal
from pathlib import Path

import pytest
import requests

from tests.videos.minimax.sandbox_driver import Clock
from tests.videos.minimax.test_sandbox_command import refused, serving
from videos.minimax.sandbox import Account, Misspelt, Sandbox

CAT = {"model": "video-01", "prompt": "a cat"}
FISH = {"model": "MiniMax-H3", "content": [{"type": "text", "text": "a fish"}], "duration": 4, "resolution": "768P"}


class Caller:
    """Who calls the sandbox with one key."""

    def __init__(self, sandbox: Sandbox, key: str) -> None:
        self.url, self.headers = sandbox.url, {"Authorization": f"Bearer {key}"}

    def create(self) -> tuple[int, str]:
        answer = requests.post(f"{self.url}/v1/video_generation", json=CAT, headers=self.headers, timeout=60).json()
        return answer["base_resp"]["status_code"], answer["task_id"]

    def get(self, path: str, **parameters: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", params=parameters, headers=self.headers, timeout=60)

    def code_of_query(self, task_id: str) -> int:
        return int(self.get("/v1/query/video_generation", task_id=task_id).json()["base_resp"]["status_code"])


@pytest.fixture
def clock():
    return Clock()


def sandbox_with(home: Path, clock: Clock, *accounts: str) -> Sandbox:
    return Sandbox(home, clock=clock, time_scale=1.0, clip_scale=8, accounts=[Account.parse(text) for text in accounts])


def test_each_key_opens_an_account_that_sees_its_own_jobs_alone(tmp_path, clock):
    with sandbox_with(tmp_path, clock, "east=key-1") as sandbox:
        main, east, nobody = (Caller(sandbox, key) for key in ("sandbox", "key-1", "key-2"))
        (_, mine), (_, theirs) = main.create(), east.create()
        requests.post(f"{sandbox.url}/v2/video_generation", json=FISH, headers=east.headers, timeout=60)

        assert (east.code_of_query(theirs), east.code_of_query(mine), nobody.code_of_query(mine)) == (0, 2013, 2049)
        assert len(east.get("/v2/query/video_generation").json()["items"]) == 1
        assert main.get("/v2/query/video_generation").json()["items"] == []
        assert [job["account"] for job in sandbox.jobs()] == ["east", "east", "main"]
        assert [line["account"] for line in sandbox.bill()["lines"]] == ["east", "east", "main"]
        listed = main.get("/sandbox/accounts")
        assert [account["name"] for account in listed.json()] == ["main", "east"]
        assert "key-1" not in listed.text
    # Whose a job is outlives a restart.
    with sandbox_with(tmp_path, clock, "east=key-1") as sandbox:
        assert Caller(sandbox, "key-1").code_of_query(theirs) == 0
        assert Caller(sandbox, "sandbox").code_of_query(theirs) == 2013


def test_a_pace_is_kept_within_any_minute_by_each_account_for_itself(tmp_path, clock):
    with sandbox_with(tmp_path, clock, "east=key-1,pace=2") as sandbox:
        main, east = Caller(sandbox, "sandbox"), Caller(sandbox, "key-1")

        assert [east.create()[0] for _ in range(3)] == [0, 0, 1002]
        assert [main.create()[0] for _ in range(3)] == [0, 0, 0]
        clock.move(59)
        assert east.create()[0] == 1002
        clock.move(1.5)
        assert east.create()[0] == 0


def test_a_balance_is_used_up_and_topped_up_and_what_was_changed_outlives_a_restart(tmp_path, clock):
    with sandbox_with(tmp_path, clock, "east=key-1,balance=1") as sandbox:
        east = Caller(sandbox, "key-1")
        assert [east.create()[0] for _ in range(3)] == [0, 0, 1008]

        told = requests.post(f"{sandbox.url}/sandbox/accounts", json={"name": "east", "balance": "1.5", "key": "key-2"}, timeout=60).json()

        assert told[1] == {"name": "east", "pace": None, "balance": "1.5", "billed": "0.86"}
        assert east.create()[0] == 2049
        assert Caller(sandbox, "key-2").create()[0] == 0
    with sandbox_with(tmp_path, clock, "east=key-1,balance=1") as sandbox:
        assert Caller(sandbox, "key-2").create()[0] == 1008
        sandbox.change_account("east", balance=None)
        assert Caller(sandbox, "key-2").create()[0] == 0
        assert Decimal(sandbox.accounts()[1]["billed"]) > 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "west"}, 404),
        ({"name": "east", "pace": "many"}, 400),
        ({"name": "east", "balance": -1}, 400),
        ({"name": "east", "colour": 1}, 400),
    ],
)
def test_a_change_that_makes_no_sense_is_told(tmp_path, clock, change, status):
    with sandbox_with(tmp_path, clock, "east=key-1") as sandbox:
        assert requests.post(f"{sandbox.url}/sandbox/accounts", json=change, timeout=60).status_code == status


@pytest.mark.parametrize("text", ["east", "=key", "East=key", "east=", "east=key,pace=x", "east=key,balance=free", "east=key,colour=red"])
def test_an_account_that_is_misspelt_is_told_with_what_would_be_right(text):
    with pytest.raises(Misspelt):
        Account.parse(text)


def test_two_accounts_have_two_names_and_two_keys(tmp_path, clock):
    for twice in (["east=a", "east=b"], ["east=a", "west=a"], ["main=a"], ["east=sandbox"]):
        with pytest.raises(Misspelt):
            sandbox_with(tmp_path, clock, *twice)


def test_the_command_takes_them_as_arguments_and_from_the_environment(tmp_path, capsys):
    with serving(tmp_path, "--account", "east=key-1,pace=20", SANDBOX_ACCOUNTS="west=key-2,balance=5;south=key-3") as url:
        found = requests.get(f"{url}/sandbox/accounts", timeout=60).json()

    assert [(account["name"], account["pace"], account["balance"]) for account in found] == [
        ("main", None, None), ("west", None, "5"), ("south", None, None), ("east", 20, None),
    ]  # fmt: skip
    status, told = refused(capsys, tmp_path, "--account", "east")
    assert status == 1
    assert "--account: 'east' is not NAME=KEY[,pace=N][,balance=USD]" in told
