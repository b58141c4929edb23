"""Calls that schemathesis makes up: none is a fault of ours, and each answer is one that the document has."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
import requests
from django.db import transaction
from django.test import Client

from tests.conftest import Consumer
from tests.support.documented import problems
from tests.support.fuzzing import BASE, CALL_OUT, operations, try_out
from tests.support.managing import Manager, make_manager
from tests.support.running import RunningStack

EXAMPLES, SOAKED = 4, 5000


def in_process(call: str) -> bool:
    """Streams live on an event loop, which Django's client has not; the process itself and its files are tried where they are served."""
    return call not in CALL_OUT and not call.endswith("/events") and " /v1/" in call


@pytest.mark.django_db
def test_what_is_made_up_is_answered_as_the_document_says(make_consumer):
    """A few examples of each call; what one call's have changed is undone before the next one's."""
    consumer: Consumer = make_consumer()
    manager = make_manager()
    there = _what_there_is(consumer, manager, make_consumer("another"))
    client = Client(raise_request_exception=False)

    def send(asked: requests.PreparedRequest) -> None:
        url = urlsplit(asked.url or "")
        body = asked.body or b""
        headers = {name: _text(value) for name, value in asked.headers.items() if name.lower() not in ("content-length", "content-type")}
        answer = client.generic(
            asked.method or "",
            url.path,
            body if isinstance(body, bytes) else body.encode(),
            content_type=_text(asked.headers.get("Content-Type", "application/octet-stream")),
            query_string=url.query,
            headers=headers,
        )
        judge(asked, answer.status_code, answer.headers, b"" if answer.streaming else answer.content)

    for call, operation in operations().items():
        if not in_process(call):
            continue
        with transaction.atomic():
            try_out(operation, send, examples=EXAMPLES, there=there, secret=manager.secret if "/admin/" in call else consumer.secret)
            transaction.set_rollback(True)


def _what_there_is(consumer: Consumer, manager: Manager, other: Consumer) -> dict[str, Sequence[object]]:
    tasks = [consumer.generate()["task_id"] for _ in range(2)]
    consumer.post(f"/v1/tasks/{tasks[1]}/cancel")
    team = manager.done("POST", "teams", {"name": "films"})["id"]
    pause = manager.done("POST", "pauses", {"kind": "media"})["id"]
    run = manager("POST", "tasks/cancel", {"q": "status:active"}).json()["id"]
    hook = {"name": "hook", "url": "https://app.example.com/hooks", "event_types": ["task.completed"]}
    endpoint = consumer.post("/v1/webhook_endpoints", hook).json()["id"]
    return {
        "task_id": tasks, "video_id": tasks, "key_id": [other.key.pk], "team_id": [team], "pause_id": [pause], "run_id": [run],
        "name": ["minimax-video"], "account_id": [1], "endpoint_id": [endpoint], "delivery_id": [1],
    }  # fmt: skip


def judge(asked: requests.PreparedRequest, status: int, headers, body: bytes) -> None:
    path = urlsplit(asked.url or "").path
    lacking = problems(asked.method or "", path, status, headers, body)
    assert status < 500 or status == 503, (asked.method, asked.url, asked.headers, asked.body, status, body)
    assert lacking == [], (asked.method, asked.url, dict(asked.headers), asked.body, status, body, lacking)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@pytest.mark.soak
def test_thousands_of_made_up_calls_to_a_running_stack_are_answered_as_the_document_says():
    with_its_own = RunningStack(CREATES_PER_MINUTE="1000000", READS_PER_MINUTE="1000000", MANAGEMENT_CALLS_PER_MINUTE="1000000")
    try:
        with_its_own.start()
        _soak(with_its_own)
    finally:
        with_its_own.close()


def _soak(stack: RunningStack) -> None:
    """Accounts are left alone: with one that is made up, orders would leave the place."""
    admin = stack.manage("create_management_key", "schemathesis").strip()
    secret = stack.manage("create_key", "schemathesis", "--in-flight", "3").strip()
    made = stack.call("POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": "a cat"}).json()["task_id"]
    calls = {call: operation for call, operation in operations().items() if call not in CALL_OUT and "/admin/accounts" not in call}
    session = requests.Session()
    session.trust_env = False

    def send(asked: requests.PreparedRequest) -> None:
        asked.url = (asked.url or "").replace(BASE, stack.url, 1)
        with session.send(asked, timeout=70, stream=True, allow_redirects=False) as answer:
            is_stream = answer.headers.get("Content-Type", "").startswith("text/event-stream")
            judge(asked, answer.status_code, answer.headers, b"" if is_stream else answer.content)

    for call, operation in calls.items():
        there = {"task_id": [made], "video_id": [made], "name": ["minimax-video", "video.mp4"]}
        try_out(operation, send, examples=-(-SOAKED // len(calls)), there=there, secret=admin if "/admin/" in call else secret)
