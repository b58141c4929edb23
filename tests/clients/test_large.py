"""Clients that are too large for each run of the checks (`make test-clients`): unmodified, each against the real stack.

What they are promised is what they get, no task exists twice, also where an answer is cut off after its task was committed, and the
ledger adds up after each.
"""

import base64
import json
import os
import string
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_openai import CLIENTS, HERE, _node
from tests.support.cutting_off import cutting_off
from tests.support.running import RunningStack, running

pytestmark = pytest.mark.clients

PATIENCE_SECONDS = 1800
# An alias such as an administrator adds: the adapter takes no other names than OpenAI's.
SORA = "sora-2"


@pytest.fixture(scope="module")
def stack(prepared: None) -> Iterator[RunningStack]:
    # Clips an eighth as wide and high: what is loaded here is the API.
    with running() as stack:
        stack.sql("UPDATE videos_videomodel SET aliases = %s WHERE name = 'video-01'", json.dumps(["minimax-video", SORA]))
        yield stack


@pytest.fixture
def secret(stack: RunningStack) -> str:
    """A key that nothing has happened to."""
    return stack.manage("create_key", "a client").strip()


def run(program: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "LITELLM_", "AIPERF_"))}
    return subprocess.run(program, env=plain | environment, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def litellm(url: str, secret: str, part: str) -> Any:
    # Its table of costs comes from elsewhere otherwise.
    program = [str(CLIENTS / "litellm" / "bin" / "python"), str(HERE / "litellm_client.py")]
    return said(run([*program, url, secret, part], LITELLM_LOCAL_MODEL_COST_MAP="True"))


def tanstack(url: str, secret: str, part: str) -> Any:
    return said(run([_node(), str(HERE / "tanstack" / "tanstack_client.mjs"), url, secret, part]))


def said(ran: "subprocess.CompletedProcess[str]") -> Any:
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def tasks_of(stack: RunningStack, secret: str) -> list[dict[str, Any]]:
    """All of the key, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        after = f"&after={found[-1]['task_id']}" if found else ""
        page = stack.call("GET", f"/v1/tasks?limit=100{after}", headers={"Authorization": f"Bearer {secret}"}).json()
        found += page["data"]
        if not page["has_more"]:
            return found


def ids_of(stack: RunningStack, secret: str) -> list[str]:
    return sorted(task["task_id"] for task in tasks_of(stack, secret))


def assert_it_adds_up(stack: RunningStack) -> None:
    assert "adds up" in stack.manage("check_ledger")


def own_id(video_id: str) -> str:
    """LiteLLM shows ids with its provider's name in them."""
    encoded = video_id.removeprefix("video_")
    if encoded == video_id:
        return video_id
    return base64.b64decode(encoded).decode().partition("video_id:")[2].partition(";")[0]


def test_litellm_from_create_to_the_file_with_lists_and_a_remix(stack: RunningStack, secret: str):
    found = litellm(stack.url, secret, "life")

    made, stands, remix = found["made"], found["stands"], found["remix"]
    assert (made["object"], made["seconds"], made["size"]) == ("video", "1", "720x480")
    assert (stands["status"], stands["progress"], stands["error"]) == ("completed", 100, None)
    assert found["content"][0] > 1000
    ids = [own_id(made["id"]), own_id(remix["id"])]
    assert [own_id(video_id) for video_id in found["listed"]] == ids
    assert ids_of(stack, secret) == sorted(ids)
    assert remix["remixed_from_video_id"] in (ids[0], made["id"])
    assert_it_adds_up(stack)


def test_litellm_makes_two_of_two_creates_at_once(stack: RunningStack, secret: str):
    found = litellm(stack.url, secret, "twins")

    assert ids_of(stack, secret) == sorted(map(own_id, found["ids"]))
    assert len(set(found["ids"])) == 2
    assert_it_adds_up(stack)


def test_litellm_knows_each_refusal_by_its_class(stack: RunningStack, secret: str):
    found = litellm(stack.url, secret, "errors")

    assert {name: status for name, (_, status) in found.items()} == {"size": 400, "model": 404, "key": 401, "id": 404}, found
    assert ids_of(stack, secret) == []


def test_tanstack_makes_each_length_and_size_that_it_knows(stack: RunningStack, secret: str):
    found = tanstack(stack.url, secret, "life")

    assert [(video["status"], video["bytes"] > 1000) for video in found.values()] == [("completed", True)] * 4, found
    made = {task["task_id"]: f"{task['resolution']} {task['duration']}" for task in tasks_of(stack, secret)}
    assert made == {video["jobId"]: wanted for wanted, video in found.items()}
    assert_it_adds_up(stack)


def test_tanstack_makes_two_of_two_creates_at_once(stack: RunningStack, secret: str):
    found = tanstack(stack.url, secret, "twins")

    assert ids_of(stack, secret) == sorted(found["ids"])
    assert len(set(found["ids"])) == 2
    assert_it_adds_up(stack)


@pytest.mark.parametrize("client", [litellm, tanstack])
def test_a_create_whose_answer_was_cut_off_is_made_once(client: Callable[[str, str, str], Any], stack: RunningStack, secret: str):
    with cutting_off(stack.port) as proxy:
        try:
            made = client(f"http://127.0.0.1:{proxy.server_port}", secret, "create")
        except AssertionError:  # it gave up, and its user does not know of the task
            made = None

    tries = len(proxy.counts)
    assert proxy.left == 0
    [task_id] = ids_of(stack, secret)
    assert made is None or own_id(made["id"]) == task_id, tries
    assert_it_adds_up(stack)


# ---- aiperf ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of a few words: by default one would be fetched."""
    folder = tmp_path_factory.mktemp("tokenizer")
    words = {word: number for number, word in enumerate(["[UNK]", *string.ascii_lowercase])}
    tokens = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "post_processor": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
        "decoder": None, "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}))
    return folder


def aiperf(url: str, secret: str, tokenizer: Path, home: Path, *, requests: int, at_once: int) -> "subprocess.CompletedProcess[str]":
    (home / "prompts.jsonl").write_text("".join(json.dumps({"text": f"a lighthouse, number {number}"}) + "\n" for number in range(20)))
    options = {
        "--model": "minimax-video", "--url": url, "--api-key": secret, "--endpoint-type": "video-generation",
        "--tokenizer": str(tokenizer), "--input-file": str(home / "prompts.jsonl"), "--custom-dataset-type": "single_turn",
        "--concurrency": str(at_once), "--request-count": str(requests), "--artifact-dir": str(home / "artifacts"), "--ui": "none",
        "--request-timeout-seconds": "900", "--export-level": "records",
    }  # fmt: skip
    program = [str(CLIENTS / "aiperf" / "bin" / "aiperf"), "profile", *(word for pair in options.items() for word in pair)]
    seconds, size = ("--extra-inputs", "seconds:1"), ("--extra-inputs", "size:720x480")
    return run([*program, *seconds, *size, "--download-video-content"], AIPERF_HTTP_VIDEO_POLL_INTERVAL="1")


def errors_of(home: Path) -> list[Any]:
    """What went wrong with each request that did not end well."""
    [export] = (home / "artifacts").rglob("profile_export.jsonl")
    records = [json.loads(line) for line in export.read_text().splitlines()]
    return [record["error"] for record in records if record.get("error")]


def test_aiperf_loads_with_200_requests_32_at_once_without_an_error(stack: RunningStack, secret: str, tokenizer: Path, tmp_path: Path):
    ran = aiperf(stack.url, secret, tokenizer, tmp_path, requests=200, at_once=32)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert errors_of(tmp_path) == []
    made = tasks_of(stack, secret)
    assert [task["status"] for task in made] == ["completed"] * 200
    assert_it_adds_up(stack)


def test_aiperf_whose_answer_is_cut_off_makes_each_of_its_creates_once(stack: RunningStack, secret: str, tokenizer: Path, tmp_path: Path):
    with cutting_off(stack.port) as proxy:
        aiperf(f"http://127.0.0.1:{proxy.server_port}", secret, tokenizer, tmp_path, requests=5, at_once=2)

    assert len(errors_of(tmp_path)) == 1  # it does not repeat them
    assert len(ids_of(stack, secret)) == len(proxy.counts) == 5
    assert_it_adds_up(stack)
