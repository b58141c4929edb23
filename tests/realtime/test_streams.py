"""The plain streams: WebSocket and server-sent events tell the same."""

import json
from contextlib import suppress

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from tasks import lifecycle
from tasks.models import Status, TaskEvent
from tests.support.ending import end

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture(params=["socket", "events"])
def plain(request, listen):
    """Opens one of the two plain streams; of a task when given its id."""

    def open_stream(task_id=None, **options):
        paths = {"socket": "/ws/tasks", "events": "/v1/events"}
        path = paths[request.param]
        if task_id:
            path = {"socket": f"/ws/tasks/{task_id}", "events": f"/v1/tasks/{task_id}/events"}[request.param]
        return getattr(listen, request.param)(path=path, **options)

    return open_stream


def test_a_stream_begins_with_each_task_under_way_and_goes_on_with_what_happens(plain, consumer):
    waiting, ended = consumer.generate("waits")["task_id"], consumer.generate("ends")["task_id"]
    end(ended, "cancelled")

    stream = plain()
    first = stream.next()
    end(waiting, "completed")
    started, completed = stream.until_type("task.started"), stream.until_type("task.completed")

    assert (first["type"], first["task"]["task_id"], first["event_id"]) == ("task.snapshot", waiting, 3)
    assert first["task"].keys() == consumer.task(waiting).keys()
    assert (started["event_id"], started["task"]["status"], started["task"]["result"]) == (4, "processing", None)
    assert (completed["event_id"], completed["task"]["status"], completed["task"]["progress"]) == (5, "completed", 100)
    assert completed["task"]["task_id"] == waiting
    assert completed["task"] == consumer.task(waiting)


def test_a_task_made_later_is_told_from_its_beginning(plain, consumer):
    consumer.generate()
    stream = plain()
    assert stream.next()["type"] == "task.snapshot"  # it listens now
    created = consumer.generate()

    queued = stream.until_type("task.queued")
    assert queued["event_id"] == 2
    assert queued["task"] | {"eta_seconds": 0} == created | {"eta_seconds": 0}


def test_a_stream_goes_on_after_any_event_in_order(plain, consumer):
    for _ in range(3):
        end(consumer.generate()["task_id"], "completed")
    positions = list(TaskEvent.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, 10))

    for after in range(10):
        stream = plain(after=after)
        told = [stream.next()["event_id"] for _ in range(9 - after)]
        assert told == list(range(after + 1, 10))
        stream.close()


def test_an_event_told_later_shows_its_task_as_it_was(plain, consumer):
    created = consumer.generate()
    end(created["task_id"], "completed")

    stream = plain(after=0)
    queued, started, completed = stream.next(), stream.next(), stream.next()

    assert queued["task"] | {"progress": 0, "eta_seconds": 0} == created | {"progress": 0, "eta_seconds": 0}
    assert (started["task"]["status"], started["task"]["completed_at"], started["task"]["cost"]["held"]) == ("processing", None, "0.2000")
    assert completed["task"] == consumer.task(created["task_id"])


@pytest.mark.parametrize("after", [4, 10**17])
def test_a_position_of_the_future_is_answered_with_resync_and_snapshots(plain, consumer, after):
    task_id = consumer.generate()["task_id"]

    stream = plain(after=after)
    resync, snapshot = stream.next(), stream.next()

    assert resync == {"type": "resync", "event_id": 1}
    assert (snapshot["type"], snapshot["task"]["task_id"]) == ("task.snapshot", task_id)
    end(task_id, "cancelled")
    assert stream.until_type("task.cancelled")["event_id"] == 2


def test_the_stream_of_a_task_tells_of_that_task_alone_and_ends_with_it(plain, consumer):
    mine, other = consumer.generate("mine")["task_id"], consumer.generate("other")["task_id"]

    stream = plain(mine)
    assert stream.next()["task"]["task_id"] == mine
    end(other, "completed")
    end(mine, "failed")

    told = stream.rest()
    assert {message["task"]["task_id"] for message in told} == {mine}
    assert told[-1]["type"] == "task.failed"
    assert stream.close_code in (None, 1000)


def test_the_stream_of_a_task_that_is_over_tells_its_end_and_ends(plain, consumer):
    task_id = consumer.generate()["task_id"]
    end(task_id, "completed")

    told = plain(task_id).rest()

    assert [message["type"] for message in told] == ["task.snapshot", "task.completed"]
    assert told[0]["task"] == told[1]["task"] == consumer.task(task_id)
    assert [message["type"] for message in plain(task_id, after=1).rest()] == ["task.started", "task.completed"]


def test_progress_moves_on_without_anything_being_written_and_never_goes_back(plain, consumer):
    task_id = consumer.generate()["task_id"]
    stream = plain()
    lifecycle.move(task_id, Status.PROCESSING, stage="generating", progress=10, leg_goal=90, leg_seconds=40.0, rest_seconds=1.0)

    reached = [stream.until_type("task.progress")["task"]["progress"] for _ in range(3)]

    assert reached == sorted(set(reached))
    assert all(10 < number < 90 for number in reached)
    assert "event_id" not in stream.seen[-1]


@pytest.mark.parametrize(
    ("secret", "status", "code"),
    [("", 401, "invalid_api_key"), ("condt_nobody", 401, "invalid_api_key")],
)
def test_a_stream_without_a_good_key_is_refused_with_the_reason(listen, web, secret, status, code):
    answer = requests.get(f"{web.url}/v1/events", params={"access_token": secret}, headers={"Origin": "https://a.example"}, timeout=30)
    socket = listen.socket(secret=secret)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    [told] = socket.rest()
    assert (told["type"], told["error"]["code"], socket.close_code) == ("error", code, 4000 + status)


def test_a_key_comes_in_either_header_or_in_the_query(listen, web, consumer):
    for headers in ({"Authorization": f"Bearer {consumer.secret}"}, {"X-API-Key": consumer.secret}):
        socket = listen.socket(secret="", headers=headers)
        socket.send('{"type": "ping"}')
        assert socket.next() == {"type": "pong"}
    for options in ({"headers": {"X-API-Key": consumer.secret}}, {"params": {"access_token": consumer.secret}}):
        with requests.get(f"{web.url}/v1/events", stream=True, timeout=30, **options) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["X-Request-ID"]
            assert next(answer.iter_lines()).startswith(b"retry:")
    assert consumer.secret not in web.log


@pytest.mark.parametrize("name", ["another's", "0192f0c1-2345-7abc-8def-0123456789ab", "nonsense"])
def test_a_task_that_the_key_has_not_is_not_found(listen, web, consumer, make_consumer, name):
    task_id = make_consumer("another").generate()["task_id"] if name == "another's" else name

    answer = consumer.http and requests.get(
        f"{web.url}/v1/tasks/{task_id}/events", headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=30
    )
    socket = listen.socket(path=f"/ws/tasks/{task_id}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_not_found")
    assert [message["error"]["code"] for message in socket.rest()] == ["task_not_found"]
    assert socket.close_code == 4404


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 30])
def test_what_is_no_event_id_is_a_bad_request(listen, web, consumer, after):
    answer = requests.get(
        f"{web.url}/v1/events", params={"after": after}, headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=30
    )
    socket = listen.socket(after=after)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "after")
    [told] = socket.rest()
    assert (told["error"]["param"], socket.close_code) == ("after", 4400)


def test_an_address_with_more_parameters_than_anybody_means_is_a_bad_request(listen):
    socket = listen.socket(path=f"/ws/tasks?{'&'.join(f'a{number}=1' for number in range(30))}&")

    assert socket.rest()[-1]["error"]["code"] == "invalid_request"
    assert socket.close_code == 4400


def test_an_event_source_that_has_seen_the_end_is_told_not_to_come_back(listen, consumer):
    task_id = consumer.generate()["task_id"]
    end(task_id, "cancelled")
    path = f"/v1/tasks/{task_id}/events"

    first = listen.events(path=path)
    seen = first.rest()[-1]["event_id"]

    assert listen.events(path=path, after=seen, header=True).answer.status == 204
    assert listen.events(path=path, after=seen - 1, header=True).answer.status == 200


def test_a_client_that_cannot_send_the_header_goes_on_by_the_address(listen, consumer):
    task_id = consumer.generate()["task_id"]
    end(task_id, "cancelled")

    def events(query):
        return listen.events(path=f"/v1/tasks/{task_id}/events?{query}")

    assert [message["type"] for message in events("lastEventId=1").rest()] == ["task.cancelled"]
    # It keeps its address: what it adds is newer.
    assert [message["type"] for message in events("after=0&lastEventId=1").rest()] == ["task.cancelled"]
    assert events("lastEventId=2").answer.status == 204


def test_event_streams_answer_head_and_refuse_other_methods(web, consumer):
    headers = {"Authorization": f"Bearer {consumer.secret}"}
    head = requests.head(f"{web.url}/v1/events", headers=headers, timeout=30)
    post = requests.post(f"{web.url}/v1/events", headers=headers, timeout=30)

    assert (head.status_code, head.headers["Content-Type"]) == (200, "text/event-stream")
    assert (post.status_code, post.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/ws/tasks", "/ws/tasks/0192f0c1-2345-7abc-8def-0123456789ab"])
def test_a_plain_request_to_a_socket_is_told_how_to_connect(web, path):
    answer = requests.get(f"{web.url}{path}", timeout=30)

    assert (answer.status_code, answer.headers["Upgrade"], answer.json()["error"]["code"]) == (426, "websocket", "upgrade_required")


def test_a_socket_answers_pings_and_says_that_it_takes_nothing_else(listen):
    socket = listen.socket()
    for text in ('{"type": "ping"}', "ping"):
        socket.send(text)
        assert socket.next() == {"type": "pong"}
    socket.send("make me a video")
    assert socket.next()["error"]["code"] == "invalid_request"

    socket.send("x" * 2000)
    assert socket.next()["error"]["code"] == "message_too_large"
    socket.rest()
    assert socket.close_code == 4413


def test_a_client_that_sends_too_much_is_closed(listen):
    socket = listen.socket()
    with suppress(ConnectionClosed):
        for _ in range(500):
            socket.send("ping")
    assert socket.rest()[-1]["error"]["code"] == "rate_limit_exceeded"
    assert socket.close_code == 4429


def test_the_access_line_of_a_stream_has_its_path_and_no_query(listen, web):
    socket = listen.socket(headers={"X-Request-ID": "stream-of-mine"})
    socket.close()
    socket.rest()

    def line():
        return [json.loads(text) for text in web.lines if "stream-of-mine" in text]

    for _ in range(200):
        if line():
            break
        socket.ended.wait(0.05)
        requests.get(f"{web.url}/health/live", timeout=30)
    [found] = line()
    assert (found["path"], found["method"]) == ("/ws/tasks", "WEBSOCKET")
