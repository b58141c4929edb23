"""What streams may take: connections over all processes, and memory for a reader that stopped."""

import asyncio
import select
from pathlib import Path

import pytest
import redis
import requests
from channels.layers import get_channel_layer
from django.conf import settings

from tasks import publishing
from tests.realtime.raw import stalled
from tests.signalr.wires import until
from tests.support.raw_http import UPGRADE
from tests.support.valkey import ValkeyForTests

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

QUICK = {"STREAM_WATCH_SECONDS": "0.3"}


ESTABLISHED, CLOSE_WAIT = "01", "08"  # linux/tcp_states.h
CONNECTION = "twisted.internet.tcp.Server"


@pytest.fixture(scope="module")
def pair(start_shared_web):
    """Two processes that have room for two connections of a key."""
    return start_shared_web(STREAMS_PER_KEY="2"), start_shared_web(STREAMS_PER_KEY="2")


def status_of(web, secret):
    with requests.get(f"{web.url}/v1/events", headers={"Authorization": f"Bearer {secret}"}, stream=True, timeout=30) as answer:
        return answer.status_code


def is_refused(listener):
    return listener.rest()[-1]["error"]["code"] == "concurrency_limit_exceeded" and listener.close_code == 4429


def test_a_keys_connections_are_counted_over_all_processes_and_given_back(pair, listen, consumer, make_consumer):
    first, second = pair
    opened = [listen.socket(web=first), listen.events(web=second)]
    opened[0].send("ping")
    opened[0].next()

    assert is_refused(listen.socket(web=first))
    assert is_refused(listen.socket(web=second))
    answer = requests.get(f"{second.url}/v1/events", headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=30)
    assert (answer.status_code, answer.reason, answer.json()["error"]["code"]) == (429, "Too Many Requests", "concurrency_limit_exceeded")
    assert "rate limit" in answer.json()["error"]["message"]
    assert int(answer.headers["Retry-After"]) > 0
    assert status_of(second, make_consumer("another").secret) == 200

    opened[0].close()
    until(lambda: status_of(second, consumer.secret) == 200)


def test_the_hub_and_the_plain_streams_of_a_key_share_its_places(pair, listen, consumer):
    web, _ = pair
    hub, socket = listen.hub(web=web), listen.socket(web=web)
    hub.invoke("Resume", 0), socket.send("ping"), socket.next()

    assert status_of(web, consumer.secret) == 429
    third = listen.hub(web=web)
    third.rest()
    assert "rate limit of 2 open connections" in third.refusal

    hub.close()
    until(lambda: status_of(web, consumer.secret) == 200)


@pytest.mark.soak
def test_clients_that_come_and_go_leave_nothing_behind(measured, listen, consumer):
    web, held = measured
    consumer.generate()

    def come_and_go(rounds):
        for _ in range(rounds):
            for stream in (listen.socket(web=web), listen.events(web=web)):
                assert stream.next()["type"] == "task.snapshot"
                stream.close()
            hub = listen.hub(web=web)
            hub.invoke("Resume", 0)
            hub.close()
            # Had one of these kept its place, there would be none for the last ones.
            until(lambda: status_of(web, consumer.secret) == 200)
        until(lambda: places_of(consumer.key) == 0)
        until(lambda: held().kinds.get(CONNECTION, 0) <= 1)
        return held()

    before, files = come_and_go(5), open_files(web)  # with what is made once, for all who come
    after = come_and_go(20)

    assert after.more_than(before, 20) == []
    # Pools may have opened a few connections more.
    until(lambda: open_files(web) <= files + 20)


def places_of(key):
    """How many connections of the key are counted."""
    with redis.Redis.from_url(settings.REDIS_URL) as counts:
        return sum(int(count) for count in counts.hvals(f"conduit:streams:of:{key.pk}"))


def open_files(web):
    """How many; where this is not root, who alone sees the files of a process of ours, its connections."""
    try:
        return len(list(Path(f"/proc/{web.pid}/fd").iterdir()))
    except PermissionError:
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{web.port:04X}") and row[3] in (ESTABLISHED, CLOSE_WAIT) for row in rows)


def test_all_connections_together_are_bounded(start_web, listen, make_consumer):
    web = start_web(STREAMS_MAX="1")
    held = listen.socket(web=web)
    held.send("ping")
    held.next()

    assert is_refused(listen.socket(web=web, secret=make_consumer("another").secret))


def test_the_connections_of_a_process_that_was_killed_no_longer_count(start_web, pair, listen, consumer):
    killed, (other, _) = start_web(), pair
    listen.events(web=killed), listen.events(web=killed)
    assert status_of(other, consumer.secret) == 429

    killed.kill()

    until(lambda: status_of(other, consumer.secret) == 200)


def test_connections_are_bounded_while_redis_is_away_and_counted_anew_when_it_is_back(start_web, listen, consumer):
    valkey = ValkeyForTests()
    valkey.start()
    first = start_web(STREAMS_PER_KEY="2", REDIS_URL=valkey.url, **QUICK)
    second = start_web(STREAMS_PER_KEY="2", REDIS_URL=valkey.url, **QUICK)
    listen.events(web=first), listen.events(web=first)
    assert status_of(first, consumer.secret) == status_of(second, consumer.secret) == 429

    valkey.stop()  # and with it everything that it knew
    until(lambda: status_of(second, consumer.secret) == 200)
    assert status_of(first, consumer.secret) == 429
    valkey.start()
    until(lambda: status_of(second, consumer.secret) == 429)
    valkey.stop()


def test_a_reader_that_stops_is_cut_off_and_memory_stays_flat(measured, listen, consumer, closing):
    web, held = measured
    task = consumer.generate()
    good = listen.socket(web=web)
    good.next()
    readers = [closing(stalled(web, "/ws/tasks", consumer.secret, *UPGRADE)) for _ in range(2)]
    readers += [closing(stalled(web, "/v1/events", consumer.secret)) for _ in range(2)]
    before = held()

    asyncio.run(_flood(consumer.key.pk, task | {"prompt": "x" * 20_000}, good))

    for reader in readers:
        assert is_cut(reader)
    # 20 MB were told to each of four readers that took none of it.
    assert held().peak - before.bytes < 10_000_000


async def _flood(key_id, task, good, *, events=1000, batch=10):
    """Events at the pace of a reader that reads: fewer at a time than would cut it off, too."""
    layer = get_channel_layer()
    for number in range(events):
        message = {"type": "task.event", "key": key_id, "position": 2 + number, "name": "task.queued", "task": task}
        await layer.group_send(publishing.group_of(key_id), message | {"updated_at": 0, "legs": None})
        if number % batch == batch - 1:
            await layer.flush()
            told = [await asyncio.to_thread(good.next) for _ in range(batch)]
            assert [one.get("event_id", one) for one in told] == list(range(3 + number - batch, 3 + number))


def is_cut(reader):
    """Whether the connection is reset before long: not ended in order, which would first give everything that was sent."""
    waiting = select.poll()
    waiting.register(reader, 0)  # tells of nothing but the end
    return bool(waiting.poll(30_000))
