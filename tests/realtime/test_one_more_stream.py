"""A streaming endpoint that is added by one file has all that the others have: who may open it, seats, pace, and a good end."""

import re
import time
from contextlib import suppress
from urllib.parse import urlencode

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from keys.models import VirtualKey
from tests.realtime.raw import stalled
from tests.signalr.wires import until
from tests.support.client_tokens import with_token
from tests.support.raw_http import UPGRADE

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

PATH = "/v1/counting"
SLOWLY = f"{PATH}?every=0.2"


@pytest.fixture(scope="module")
def web(start_shared_web):
    """A process with the endpoint, and two seats for each key."""
    return start_shared_web(
        application="tests.realtime.one_more_stream:application", STREAMS_PER_KEY="2", STREAM_WATCH_SECONDS="0.3", PYTHONUNBUFFERED="1"
    )


@pytest.fixture
def opened(listen, consumer):
    """Opens the endpoint over either wire: `opened("socket", "?to=3")`."""

    def open_it(wire, query="", secret=consumer.secret):
        if wire == "events":
            return listen.events(path=PATH + query, secret=secret)
        return listen.socket(path=PATH, query=dict(part.split("=") for part in query.strip("?").split("&") if part), secret=secret)

    return open_it


def numbers(listener):
    return [one["number"] for one in listener.rest() if one.get("type") == "number"]


@pytest.mark.parametrize("wire", ["events", "socket"])
def test_it_tells_who_has_a_key_and_ends_when_its_source_does(opened, consumer, wire):
    listener = opened(wire, "?to=3")

    assert numbers(listener) == [1, 2, 3]
    assert {one["key"] for one in listener.seen} == {consumer.key.pk}
    if wire == "socket":
        assert listener.close_code == 1000


@pytest.mark.parametrize("secret", ["", "condt_unknown"])
def test_nobody_else_is_told(web, opened, secret):
    assert requests.get(web.url + PATH, headers={"Authorization": f"Bearer {secret}"}, timeout=60).status_code == 401
    refused = opened("socket", secret=secret)

    assert refused.rest()[-1]["error"]["code"] == "invalid_api_key"
    assert refused.close_code == 4401


def test_a_client_token_of_the_key_is_told_and_one_of_a_single_task_is_not(web, opened, consumer):
    of_key, of_task = with_token(consumer), with_token(consumer, task_id=consumer.generate()["task_id"])

    assert numbers(opened("socket", "?to=1", secret=of_key.secret)) == [1]
    assert requests.get(web.url + PATH, headers={"Authorization": f"Bearer {of_task.secret}"}, timeout=60).status_code == 403
    refused = opened("socket", secret=of_task.secret)
    assert refused.rest()[-1]["error"]["code"] == "permission_denied"
    assert refused.close_code == 4403


def test_opening_it_counts_as_a_call_that_reads(web, consumer):
    with requests.get(web.url + SLOWLY, headers={"Authorization": f"Bearer {consumer.secret}"}, stream=True, timeout=60) as answer:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert int(answer.headers["X-RateLimit-Remaining-Requests"]) > 0
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_it_takes_the_seats_of_all_streams(web, opened, consumer):
    events, socket = opened("events", "?every=0.2"), opened("socket", "?every=0.2")
    events.next(), socket.next()

    answer = requests.get(web.url + PATH, headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
    assert opened("socket").rest()[-1]["error"]["code"] == "concurrency_limit_exceeded"

    events.close(), socket.close()
    until(lambda: numbers(opened("socket", "?to=1")) == [1])


def test_a_client_says_pings_and_no_more(opened):
    socket = opened("socket", "?every=0.2")
    socket.send("ping")
    socket.until_type("pong")
    with suppress(ConnectionClosed):  # before the last of them
        for _ in range(50):
            socket.send("ping")

    assert socket.rest()[-1]["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("wire", ["events", "socket"])
def test_a_key_that_is_disabled_hears_no_more(opened, consumer, wire):
    listener = opened(wire, "?every=0.2")
    listener.next()

    VirtualKey.objects.filter(pk=consumer.key.pk).update(enabled=False)

    assert listener.rest()[-1]["error"]["code"] == "api_key_disabled"


@pytest.mark.parametrize("upgrade", [(), UPGRADE], ids=["events", "socket"])
def test_the_source_waits_for_a_reader_that_takes_nothing(web, consumer, closing, upgrade):
    before = len(web.log)
    closing(stalled(web, f"{PATH}?{urlencode({'size': 100_000})}", consumer.secret, *upgrade))

    def counted():
        return [int(number) for number in re.findall(r"counted to (\d+)", web.log[before:])]

    until(lambda: bool(counted()))
    last = -1
    while last != (last := counted()[-1]):
        time.sleep(0.5)
    assert last < 200  # of 100 KB: what buffers of the kernel hold, and a little


def test_a_process_that_stops_has_its_clients_come_again(start_web, listen):
    leaving = start_web(application="tests.realtime.one_more_stream:application")
    events = listen.events(web=leaving, path=SLOWLY)
    socket = listen.socket(web=leaving, path=PATH, query={"every": "0.2"})
    events.next(), socket.next()

    leaving.terminate()

    events.rest(), socket.rest()
    assert socket.close_code == 1012
    assert leaving.wait() == 0
