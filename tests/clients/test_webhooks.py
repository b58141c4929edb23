"""Receivers that others wrote verify what we send, and OpenAI's clients manage the endpoints: all of them unmodified."""

import json
import os
import subprocess
from datetime import timedelta
from typing import Any

import pytest

from conduit import clock
from tasks.notifications import endpoints, signing
from tests.clients.test_openai import CLIENTS, HERE, _node
from tests.notifications.conftest import Sends
from tests.support.receiving import Receiver

PATIENCE_SECONDS = 60
RECEIVERS = [
    ("python", "standardwebhooks"),
    ("python", "svix"),
    ("python", "openai"),
    ("node", "standardwebhooks"),
    ("node", "svix"),
    ("node", "openai"),
    ("node", "replicate"),
]
# It verifies the signature alone unless it is told how old one may be.
NO_MATTER_HOW_OLD = {"replicate"}


def run(language: str, library: str, cases: list[Any]) -> list[Any]:
    if language == "node":
        program = [_node(), str(HERE / "node" / "verifier.mjs")]
    else:
        home = CLIENTS / ("openai-3" if library == "openai" else "receivers")
        program = [str(home / "bin" / "python"), str(HERE / "verifier.py")]
    return _said([*program, library], json.dumps(cases))


def _said(program: list[str], given: str = "") -> Any:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    ran = subprocess.run(program, input=given, env=plain, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def sends(db: None) -> Any:
    sends = Sends()
    yield sends
    sends.sender._callers.shutdown(wait=True, cancel_futures=True)


@pytest.fixture
def cases(consumer: Any, settings: Any, sends: Any) -> dict[str, Any]:
    """What came, and what an attacker would make of it."""
    settings.OUTBOUND_HTTP = True
    with Receiver() as receiver:
        endpoint, old = endpoints.create(name="a", url=f"{receiver.url}/a", event_types=["task.queued"], key=consumer.key)
        _, new = endpoints.rotate(endpoint, keeps_old=True)
        consumer.generate("ein Boot in Öl ⛵")
        sends()
    [received] = receiver.received
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers, body = {name: received.headers[name] for name in names}, received.body.decode()
    aged = signing.headers(headers["webhook-id"], clock.now() - timedelta(minutes=10), received.body, [new])
    case = {"secret": new, "headers": headers, "body": body}
    return {
        "good": case,
        "rotating": case | {"secret": old},
        "changed": case | {"body": body.replace("Boot", "boot")},
        "other": case | {"secret": signing.new_secret()},
        "old": case | {"headers": aged},
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "library"), RECEIVERS)
def test_what_is_ours_is_verified_and_nothing_else_is(language: str, library: str, cases: dict[str, Any]):
    said = dict(zip(cases, run(language, library, list(cases.values())), strict=True))

    event = json.loads(cases["good"]["body"])
    ours = [event["type"], event["data"]["id"]]
    assert (said["good"], said["rotating"]) == (ours, ours)
    refused = {name for name, what in said.items() if isinstance(what, str)}
    assert refused == {"changed", "other", "old"} - ({"old"} if library in NO_MATTER_HOW_OLD else set())


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("language", ["python", "node"])
def test_openais_clients_manage_endpoints(language: str, consumer: Any, live_server: Any, settings: Any):
    settings.OUTBOUND_HTTP = True
    program = (
        [_node(), str(HERE / "node" / "openai_client.mjs")]
        if language == "node"
        else [str(CLIENTS / "openai-3" / "bin" / "python"), str(HERE / "openai_client.py")]
    )
    with Receiver() as receiver:
        receiver.answers["/hooks"] = 202
        said = _said([*program, live_server.url, consumer.secret, f"webhooks={receiver.url}/hooks"])

    made = said["made"]
    assert (made["object"], made["name"], made["event_types"]) == ("webhook_endpoint", "batch", ["video.completed", "video.failed"])
    assert made["signing_secret"].startswith("whsec_")
    assert said["read"] == {name: value for name, value in made.items() if name != "signing_secret"}
    assert said["listed"] == [made["id"]]
    assert (said["changed"]["name"], said["changed"]["event_types"]) == ("other", ["video.failed"])
    assert said["rotated"]["signing_secret"] not in ("", made["signing_secret"])
    assert said["tested"] | {"webhook_endpoint_id": ""} == {
        "object": "webhook_endpoint.test", "event_type": "video.failed", "status_code": 202, "success": True, "webhook_endpoint_id": "",
    }  # fmt: skip
    assert "video.completed" in said["types"]
    assert said["deleted"] == {"id": made["id"], "object": "webhook_endpoint.deleted", "deleted": True}
    assert receiver.types() == ["video.failed"]
