"""`Prefer: wait=N`: a create, a retry and a read are answered when the task ends, or after N seconds; on a real web process."""

import threading
import time
from contextlib import contextmanager

import pytest
import requests
from django.db import connections

from conduit.web.waiting import seconds_asked
from keys.models import VirtualKey
from tasks.models import Task
from tests.support.ending import end

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True)]

GOOD = {"model": "minimax-video", "prompt": "a cat"}
# Of thirty seconds, on the busiest machine.
MUCH_LESS_THAN_ASKED = 25


@pytest.fixture
def call(web, consumer):
    """`call("GET", path, "wait=5")`: that request with the preference."""

    def send(method, path, prefer, body=None, **headers):
        given = {"Authorization": f"Bearer {consumer.secret}", "Prefer": prefer} | {n.replace("_", "-"): v for n, v in headers.items()}
        return requests.request(method, f"{web.url}{path}", json=body, headers=given, timeout=90)

    return send


@contextmanager
def ending(status, *, after):
    """End the one task that is under way so many seconds after there is one."""

    def act():
        until = time.monotonic() + 60
        while not (task := Task.objects.active().first()) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(after)
        end(task.pk, status)
        connections.close_all()

    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("path", ["/v1/tasks/{}", "/v1/video/generations/{}"])
def test_a_read_waits_for_the_end(call, consumer, path):
    task_id = consumer.generate()["task_id"]

    with ending("completed", after=0.5):
        answer = call("GET", path.format(task_id), "respond-async, wait=30")

    assert answer.elapsed.total_seconds() < MUCH_LESS_THAN_ASKED
    assert (answer.status_code, answer.json()) == (200, consumer.task(task_id))
    assert answer.json()["status"] == "completed"
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.headers["ETag"]


def test_a_create_waits_for_the_end_and_is_still_a_create(call, consumer):
    with ending("failed", after=0.5):
        answer = call("POST", "/v1/video/generations", "wait=30", GOOD, Idempotency_Key="one", X_Request_ID="mine")

    task = answer.json()
    assert (answer.status_code, task["status"], answer.headers["Location"]) == (202, "failed", f"/v1/tasks/{task['task_id']}")
    assert (answer.headers["Preference-Applied"], answer.headers["X-Request-ID"]) == ("wait=30", "mine")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    again = call("POST", "/v1/video/generations", "wait=30", GOOD, Idempotency_Key="one")
    assert (again.json()["status"], again.headers["Idempotent-Replayed"]) == ("queued", "true") or again.json() == task
    assert Task.objects.count() == 1


def test_a_retry_waits_too(call, consumer):
    failed = end(consumer.generate()["task_id"], "failed").pk

    with ending("cancelled", after=0.5):
        answer = call("POST", f"/v1/video/generations/{failed}/retry", "wait=30")

    assert (answer.status_code, answer.json()["status"], answer.json()["retry_of"]) == (202, "cancelled", str(failed))


def test_on_openais_wire_too_a_create_and_a_read_wait(call, consumer):
    wanted = {"prompt": "a cat", "seconds": "6"}
    with ending("completed", after=0.5):
        made = call("POST", "/v1/videos", "wait=30", wanted)
    assert (made.status_code, made.json()["status"], made.json()["progress"]) == (200, "completed", 100)
    assert (made.headers["Preference-Applied"], made.headers["openai-poll-after-ms"]) == ("wait=30", "1500")

    under_way = call("POST", "/v1/videos", "wait=1", wanted)
    assert (under_way.json()["status"], under_way.headers["Preference-Applied"]) == ("queued", "wait=1")
    with ending("cancelled", after=0.5):
        read = call("GET", f"/v1/videos/{under_way.json()['id']}", "wait=30")
    assert (read.status_code, read.json()["status"], read.json()["error"]["code"]) == (200, "failed", "cancelled")


def test_when_the_time_is_over_the_task_is_told_as_it_is_then(call, consumer):
    task_id = consumer.generate()["task_id"]

    answer = call("GET", f"/v1/tasks/{task_id}", "wait=1")

    assert 0.9 < answer.elapsed.total_seconds() < MUCH_LESS_THAN_ASKED
    assert (answer.json()["status"], answer.headers["Preference-Applied"]) == ("queued", "wait=1")


def test_a_version_that_the_client_has_is_waited_out(call, consumer):
    task_id = consumer.generate()["task_id"]
    etag = consumer.get(f"/v1/tasks/{task_id}").headers["ETag"]

    with ending("cancelled", after=0.5):
        answer = call("GET", f"/v1/tasks/{task_id}", "wait=30", If_None_Match=etag)

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_what_is_over_or_refused_is_answered_at_once(call, consumer, make_consumer):
    over = end(consumer.generate()["task_id"], "completed").pk
    foreign = make_consumer("bob").generate()["task_id"]
    ended = call("GET", f"/v1/tasks/{over}", "wait=30")
    missed = call("GET", f"/v1/tasks/{foreign}", "wait=30")
    refused = call("POST", "/v1/video/generations", "wait=30", {"model": "minimax-video"})

    assert ended.json()["status"] == "completed"
    assert (missed.status_code, refused.status_code) == (404, 400)
    assert all(answer.elapsed.total_seconds() < MUCH_LESS_THAN_ASKED for answer in (ended, missed, refused))


def test_a_wait_counts_as_one_more_read_and_one_that_is_refused_leaves_the_first_answer(call, consumer):
    VirtualKey.objects.update(reads_per_minute=1)
    task_id = consumer.generate()["task_id"]

    answer = call("GET", f"/v1/tasks/{task_id}", "wait=1")

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5), ("WAIT = 5", 5), ('wait="5"', 5), ("respond-async, wait=5; x", 5), ("handling=lenient,wait=5", 5), ("wait=600", 60),
        ("wait=0", 0), ("wait=-5", 0), ("wait=1.5", 0), ("await=5", 0), ("wait", 0), ("", 0),
    ],
)  # fmt: skip
def test_a_preference_is_read_as_http_writes_it(prefer, seconds):
    scope = {"method": "POST", "path": "/v1/video/generations", "headers": [(b"prefer", prefer.encode())]}

    assert seconds_asked(scope) == seconds


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/videos/edits"),
        ("GET", "/v1/videos"),
        ("GET", f"/v1/videos/{'0' * 36}/content"),
        ("GET", "/v1/tasks"),
        ("GET", "/v1/tasks/x"),
        ("POST", "/v1/video/generations/estimate"),
        ("DELETE", f"/v1/tasks/{'0' * 36}"),
    ],
)
def test_other_calls_do_not_wait(method, path):
    assert seconds_asked({"method": method, "path": path, "headers": [(b"prefer", b"wait=5")]}) == 0
