"""While the database cannot be reached, streams stay; whoever cannot be served is told to come back."""

import pytest
import requests
from django.db import connection

from tests.signalr.wires import until
from tests.support.databases import database_url
from tests.support.ending import end

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is a file: it cannot be away"),
]


@pytest.fixture
def web_on_wire(start_web, wire):
    return start_web(DATABASE_URL=database_url(wire.port), STREAM_WATCH_SECONDS="0.3", REDIS_URL="redis://127.0.0.1:1/0")


def cancelled(stream):
    message = stream.until(lambda message: "ancelled" in message["type"], 60)
    return message.get("event_id") or message["eventId"]


def test_streams_outlive_a_database_that_is_away_and_miss_nothing(web_on_wire, wire, listen, consumer):
    first, second = (consumer.generate()["task_id"] for _ in range(2))
    streams = [listen.socket(web=web_on_wire), listen.events(web=web_on_wire), listen.hub(web=web_on_wire).joined()]
    for stream in streams[:2]:
        stream.until_type("task.snapshot")

    wire.cut()
    end(first, "cancelled")
    end(second, "cancelled")
    until(lambda: "streams not watched: the database is away" in web_on_wire.log)
    wire.mend()

    assert [[cancelled(stream) for _ in range(2)] for stream in streams] == [[3, 4]] * 3


def test_a_hub_that_cannot_resume_is_closed_to_come_back_and_not_left_deaf(web_on_wire, wire, listen, consumer):
    task_id = consumer.generate()["task_id"]
    hub = listen.hub(web=web_on_wire)
    hub.invoke("SubscribeToTask", task_id)

    wire.cut()
    with pytest.raises(RuntimeError):
        hub.resume(0)
    hub.rest()

    assert hub.closing["allowReconnect"] is True
    assert "try again" in hub.closing["error"]


def test_a_stream_that_is_asked_for_meanwhile_is_refused_as_overloaded(web_on_wire, wire, listen, consumer):
    wire.cut()

    answer = requests.get(f"{web_on_wire.url}/v1/events", headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=60)
    socket = listen.socket(web=web_on_wire)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    assert socket.ended.wait(60)
    assert socket.rest()[-1]["error"]["code"] == "overloaded"
    assert socket.close_code == 4503
