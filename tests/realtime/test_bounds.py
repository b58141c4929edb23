"""What streams may take: connections over all processes, and memory for a reader that stopped."""

import asyncio
import socket as sockets
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from channels.layers import get_channel_layer

from tasks import publishing
from tests.e2e.test_slow_readers import resident_bytes
from tests.support.valkey import ValkeyForTests

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

QUICK = {"STREAM_WATCH_SECONDS": "0.3"}


def eventually(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def status_of(web, secret):
    with requests.get(f"{web.url}/v1/events", headers={"Authorization": f"Bearer {secret}"}, stream=True, timeout=10) as answer:
        return answer.status_code


def is_refused(listener):
    return listener.rest()[-1]["error"]["code"] == "concurrency_limit_exceeded" and listener.close_code == 4429


def test_a_keys_connections_are_counted_over_all_processes_and_given_back(start_web, listen, consumer, make_consumer):
    first, second = start_web(STREAMS_PER_KEY="2"), start_web(STREAMS_PER_KEY="2")
    opened = [listen.socket(web=first), listen.events(web=second)]
    opened[0].send("ping")
    opened[0].next()

    assert is_refused(listen.socket(web=first))
    assert is_refused(listen.socket(web=second))
    answer = requests.get(f"{second.url}/v1/events", headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
    assert "rate limit" in answer.json()["error"]["message"]
    assert int(answer.headers["Retry-After"]) > 0
    assert status_of(second, make_consumer("another").secret) == 200

    opened[0].close()
    eventually(lambda: status_of(second, consumer.secret) == 200)


def test_the_hub_and_the_plain_streams_of_a_key_share_its_places(start_web, listen, consumer):
    web = start_web(STREAMS_PER_KEY="2")
    hub, socket = listen.hub(web=web), listen.socket(web=web)
    hub.invoke("Resume", 0), socket.send("ping"), socket.next()

    assert status_of(web, consumer.secret) == 429
    third = listen.hub(web=web)
    third.rest()
    assert "rate limit of 2 open connections" in third.closing["error"]
    assert "allowReconnect" not in third.closing

    hub.close()
    eventually(lambda: status_of(web, consumer.secret) == 200)


def test_clients_that_come_and_go_leave_nothing_behind(start_web, listen, consumer):
    web = start_web(STREAMS_PER_KEY="3", **QUICK)
    consumer.generate()

    def come_and_go():
        for stream in (listen.socket(web=web), listen.events(web=web)):
            assert stream.next()["type"] == "task.snapshot"
            stream.close()
        hub = listen.hub(web=web)
        hub.invoke("Resume", 0)
        hub.close()
        eventually(lambda: status_of(web, consumer.secret) == 200)

    for _ in range(5):
        come_and_go()
    descriptors, memory = open_files(web.pid), resident_bytes(web.pid)
    for _ in range(40):
        come_and_go()

    # Had one of these 120 kept its place, there would be none for the last ones. Pools may have opened a few connections more.
    eventually(lambda: open_files(web.pid) <= descriptors + 20)
    assert resident_bytes(web.pid) - memory < 8e6


def open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_all_connections_together_are_bounded(start_web, listen, make_consumer):
    web = start_web(STREAMS_MAX="1")
    held = listen.socket(web=web)
    held.send("ping")
    held.next()

    assert is_refused(listen.socket(web=web, secret=make_consumer("another").secret))


def test_the_connections_of_a_process_that_was_killed_no_longer_count(start_web, listen, consumer):
    killed, other = start_web(STREAMS_PER_KEY="1"), start_web(STREAMS_PER_KEY="1")
    listen.events(web=killed)
    assert status_of(other, consumer.secret) == 429

    killed.kill()

    eventually(lambda: status_of(other, consumer.secret) == 200)


def test_connections_are_bounded_while_redis_is_away_and_counted_anew_when_it_is_back(start_web, listen, consumer):
    valkey = ValkeyForTests()
    valkey.start()
    first = start_web(STREAMS_PER_KEY="2", REDIS_URL=valkey.url, **QUICK)
    second = start_web(STREAMS_PER_KEY="2", REDIS_URL=valkey.url, **QUICK)
    listen.events(web=first), listen.events(web=first)
    assert status_of(first, consumer.secret) == status_of(second, consumer.secret) == 429

    valkey.stop()  # and with it everything that it knew
    eventually(lambda: status_of(second, consumer.secret) == 200)
    assert status_of(first, consumer.secret) == 429
    valkey.start()
    eventually(lambda: status_of(second, consumer.secret) == 429)
    valkey.stop()


@pytest.fixture
def closing():
    """Closes sockets after the test."""
    with ExitStack() as open_until_the_end:
        yield open_until_the_end.enter_context


def stalled(web, path, secret, *more):
    """A reader that has sent its request and then takes nothing."""
    reader = sockets.socket()
    reader.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", web.port))
    lines = [f"GET {path}?access_token={secret} HTTP/1.1", "Host: 127.0.0.1", *more]
    reader.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert reader.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 101")
    return reader


UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")


def test_a_reader_that_stops_is_cut_off_and_memory_stays_flat(start_web, listen, consumer, closing):
    web = start_web(**QUICK)
    task = consumer.generate()
    good = listen.socket(web=web)
    good.next()
    readers = [closing(stalled(web, "/ws/tasks", consumer.secret, *UPGRADE)) for _ in range(5)]
    readers += [closing(stalled(web, "/v1/events", consumer.secret)) for _ in range(5)]
    before = resident_bytes(web.pid)

    events = 3000
    asyncio.run(_flood(consumer.key.pk, task | {"prompt": "x" * 20_000}, events))
    for number in range(events):
        assert good.next()["event_id"] == 2 + number

    # 60 MB were told to each of ten readers that took none of it.
    assert resident_bytes(web.pid) - before < 60e6
    for reader in readers:
        eventually(lambda reader=reader: is_cut(reader))


async def _flood(key_id, task, count):
    layer = get_channel_layer()
    for number in range(count):
        message = {"type": "task.event", "key": key_id, "position": 2 + number, "name": "task.queued", "task": task}
        await layer.group_send(publishing.group_of(key_id), message | {"updated_at": 0, "legs": None})
        if number % 50 == 0:
            await asyncio.sleep(0.05)  # a burst beyond the bound would cut off a reader that reads, too
    await layer.flush()


def is_cut(reader):
    """Whether the connection was reset: not ended in order, which would first give everything that was sent."""
    reader.setblocking(False)
    try:
        while reader.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True
