"""What MiniMax calls back to: the challenge at once, from the signature alone; what is pushed is written down."""

import json
from datetime import timedelta

import pytest
from django.db import connection, transaction

from conduit import clock
from tasks.models import Task
from tests.support.planned_clips import planned_clip
from videos.callbacks.addresses import url_of
from videos.models import Clip


@pytest.fixture
def clip(consumer):
    """One that is at MiniMax, and asked for in a minute."""
    task_id = consumer.generate()["task_id"]
    found = planned_clip(task_id, state="submitted", creates=1, sent_at=clock.now(), submitted_at=clock.now(), provider_task_id="7")
    Task.objects.filter(pk=task_id).update(next_step_at=clock.now() + timedelta(minutes=1))
    return found


@pytest.fixture
def post(raw):
    def send(path, body, *, method="POST"):
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return raw(f"{method} {path} HTTP/1.1", f"Content-Length: {len(sent)}", "Content-Type: application/json", body=sent)

    return send


def path_of(clip, number=1):
    return "/callbacks/minimax/" + url_of(clip, number=number).rpartition("/")[2]


def test_the_challenge_is_given_back_while_nobody_can_write_to_the_database(post, clip):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE videos_clip, tasks_task IN ACCESS EXCLUSIVE MODE")
        answer = post(path_of(clip), {"challenge": "a word 字"})

    assert (answer.status, json.loads(answer.body)) == (200, {"challenge": "a word 字"})


def test_what_is_pushed_is_written_down_and_the_job_due_and_no_log_tells_the_url(post, clip, web):
    answer = post(path_of(clip), {"task_id": 7, "status": "success"})

    assert answer.status == 200
    clip.refresh_from_db()
    assert clip.pushed_at is not None
    # It was a minute away; what two processes know of the one clock differs by some of its milliseconds.
    assert Task.objects.get(pk=clip.video_id).next_step_at < clock.now() + timedelta(seconds=20)
    assert path_of(clip).rpartition("/")[2] not in web.log


@pytest.mark.parametrize("token", ["", "1.1.x", "x" * 300, "%2e%2e/admin"])
def test_a_url_that_is_none_of_ours_is_nothing(post, clip, token):
    assert post(f"/callbacks/minimax/{token}", {"challenge": "x"}).error["code"] in ("not_found", "invalid_request")
    assert Clip.objects.get(pk=clip.pk).pushed_at is None


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), ({"challenge": 7}, 400), (b'{"a": "' + b"x" * 70_000 + b'"}', 413), ({}, 200)],
)
def test_a_body_is_read_with_care(post, clip, body, status):
    assert post(path_of(clip), body).status == status


def test_other_methods_are_405(post, clip):
    assert post(path_of(clip), b"", method="GET").status == 405


def test_a_callback_of_a_clip_that_is_gone_is_taken_and_forgotten(post, clip):
    path = path_of(clip)
    Clip.objects.filter(pk=clip.pk).delete()

    assert post(path, {"task_id": "7", "status": "success"}).status == 200
