"""A spritesheet that is asked for while it is made: the answer waits for it; on a real web process."""

import asyncio
import threading
import time
import uuid

import pytest
import requests
from django.db import connections

from conduit.api.errors import Overloaded
from conduit.web.sheets import WaitingForSheets
from tests.support.ending import end
from videos.models import Video
from videos.sheet_models import Spritesheet

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True)]


@pytest.fixture
def asked(web, consumer):
    """Asks for the sheet of a completed video, which has no files on disk."""
    task_id = end(consumer.generate()["task_id"], "completed").pk
    Video.objects.filter(pk=task_id).update(file="tasks/x/video", size_bytes=1)

    def ask():
        headers = {"Authorization": f"Bearer {consumer.secret}"}
        return requests.get(f"{web.url}/v1/videos/{task_id}/content?variant=spritesheet", headers=headers, timeout=60)

    return ask


def give_up_once_asked():
    """As a media worker does that cannot make it."""
    end = time.monotonic() + 60
    while not Spritesheet.objects.update(due_at=None) and time.monotonic() < end:
        time.sleep(0.02)
    connections.close_all()


def test_the_answer_comes_when_it_is_over(asked):
    worker = threading.Thread(target=give_up_once_asked)
    worker.start()

    answer = asked()

    worker.join()
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "This video's spritesheet could not be made.")


def test_where_there_is_no_seat_to_wait_on_it_is_told_at_once(monkeypatch):
    async def none(scope):
        raise Overloaded

    async def under_way(scope, receive, send):
        await send({"type": "http.response.start", "status": 409, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def ask():
        sent = []

        async def send(message):
            sent.append(message)

        await WaitingForSheets(under_way)(scope, None, send)
        return sent

    monkeypatch.setattr("conduit.web.sheets.take_seat", none)
    path = f"/v1/videos/{uuid.uuid4()}/content"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"variant=spritesheet", "headers": []}

    assert [message.get("status", message.get("body")) for message in asyncio.run(ask())] == [409, b"{}"]
