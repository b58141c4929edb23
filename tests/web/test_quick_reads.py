"""Tasks that are read on the event loop are answered as the ordinary way answers them, to the byte; what is unusual goes there."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import connection
from psycopg import sql

from conduit import clock
from conduit.postgresql.on_loop import connect
from conduit.postgresql.shared_line import SharedLine
from keys import rates
from keys.client_tokens import PREFIX
from keys.models import KeySecret, VirtualKey
from keys.services import hash_secret
from tasks import deadlines, reading
from tasks.models import Task
from tests.support.ending import end
from tests.support.finished_videos import finished_video
from tests.support.quick_reads import alike, asked, read, scope_of

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way"),
]


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    """The clock stands: what is read off it is the same for both."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)


STATES = {
    "queued": lambda consumer: consumer.generate(prompt='naïve 🎬 "quotes" </script>', metadata={"a": "ä", "b": "1"})["task_id"],
    "completed": lambda consumer: completed(consumer),
    "failed": lambda consumer: end(consumer.generate()["task_id"], "failed").pk,
    "cancelled": lambda consumer: consumer.delete(f"/v1/video/generations/{consumer.generate()['task_id']}").json()["task_id"],
    "ended by its deadline": lambda consumer: past_its_deadline(consumer),
    "a retry": lambda consumer: consumer.post(f"/v1/video/generations/{end(consumer.generate()['task_id'], 'failed').pk}/retry").json()[
        "task_id"
    ],
}


def past_its_deadline(consumer):
    task_id = consumer.generate(expires_in=10)["task_id"]
    assert deadlines.end(Task.objects.get(pk=task_id))
    return task_id


def completed(consumer):
    video = finished_video(b"a video")
    Task.objects.filter(pk=video.pk).update(key=consumer.key)
    return video.pk


ROOTS = ["/v1/tasks", "/v1/video/generations"]


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("state", STATES)
def test_a_task_is_answered_alike_on_the_loop(consumer, state, root):
    task_id = STATES[state](consumer)

    quick, ordinary = read(consumer, task_id, root=root)

    assert quick.status_code == 200
    alike(quick, ordinary)
    assert quick.content == ordinary.content
    # The server leaves out the body of what answers HEAD.
    alike(*read(consumer, task_id, method="HEAD", root=root))


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"another", {etag}', "*", '"another"', "nonsense"])
def test_a_version_that_the_client_has_is_told_alike(consumer, known):
    task_id = consumer.generate()["task_id"]
    etag = read(consumer, task_id)[0].headers["ETag"]

    quick, ordinary = read(consumer, task_id, if_none_match=known.format(etag=etag))

    assert quick.status_code == (200 if known in ('"another"', "nonsense") else 304)
    alike(quick, ordinary)
    assert quick.content == ordinary.content


def disabled(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(enabled=False)


def expired(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(expires_at=clock.now() - timedelta(seconds=1))


def deleted(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(deleted_at=clock.now())


def replaced(consumer):
    KeySecret.objects.filter(key=consumer.key).update(expires_at=clock.now() - timedelta(seconds=1))


def elsewhere(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(ip_ranges=["10.0.0.0/8"])


def used_up(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(reads_per_minute=0)


SHUT = [disabled, expired, deleted, replaced, elsewhere]


@pytest.mark.parametrize("change", SHUT)
def test_whoever_may_not_read_is_refused_by_the_ordinary_way(consumer, change):
    task_id = consumer.generate()["task_id"]
    change(consumer)

    quick, ordinary = read(consumer, task_id)

    assert quick.went_on
    assert ordinary.status_code in (401, 403)


@pytest.mark.parametrize("change", SHUT)
def test_what_a_process_remembers_of_a_key_opens_nothing(consumer, change):
    task_id = consumer.generate()["task_id"]

    first, *others = asked(scope_of(task_id, consumer.secret), between=lambda: change(consumer), times=4)

    assert first.status_code == 200
    assert [answer.went_on for answer in others] == [True] * 3
    # The old numbers cost one call at most; what the ordinary way refuses counts none.
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        assert server.llen(f"conduit:calls:{consumer.key.pk}:reads:minute") <= 2


@pytest.mark.parametrize("remembered", [False, True])
def test_a_limit_that_is_used_up_is_told_alike(consumer, remembered):
    task_id = consumer.generate()["task_id"]
    scope = scope_of(task_id, consumer.secret)
    if remembered:
        _, quick = asked(scope, between=lambda: used_up(consumer), times=2)
    else:
        used_up(consumer)
        [quick] = asked(scope)

    _, ordinary = read(consumer, task_id)

    assert quick.status_code == 429
    alike(quick, ordinary)
    assert quick.content == ordinary.content


def test_a_limit_that_was_raised_lets_in_whom_the_old_one_would_refuse(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(reads_per_minute=1)
    task_id = consumer.generate()["task_id"]

    def raised() -> None:
        VirtualKey.objects.filter(pk=consumer.key.pk).update(reads_per_minute=10)

    answers = asked(scope_of(task_id, consumer.secret), between=raised, times=2)

    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    "unusual",
    [
        {"origin": "https://example.com"},
        {"x_api_key": "condt_other"},
        {"authorization": ""},
        {"authorization": "Basic YTpi"},
        {"authorization": f"Bearer {PREFIX}{'x' * 43}"},
        {"host": "elsewhere.example"},
        {"content_length": "0"},
        {"cookie": "a=b"},
        {"content_type": "text/plain"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_what_is_unusual_goes_the_ordinary_way(consumer, unusual, settings, monkeypatch):
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    task_id = consumer.generate()["task_id"]

    monkeypatch.setattr(SharedLine, "ask", lambda *_: pytest.fail("the database was asked"))

    assert asked(scope_of(task_id, consumer.secret, **unusual))[0].went_on


@pytest.mark.parametrize("public_url", ["https://conduit.example", "http://conduit.example"])
def test_what_production_adds_to_every_answer_is_added_here(consumer, settings, public_url):
    settings.PRODUCTION, settings.PUBLIC_URL = True, public_url
    task_id = consumer.generate()["task_id"]

    quick, ordinary = read(consumer, task_id, x_forwarded_proto="https", x_forwarded_for="203.0.113.7", accept="text/html")

    alike(quick, ordinary)
    assert ("Strict-Transport-Security" in ordinary.headers) == public_url.startswith("https")


@pytest.mark.parametrize("root", ROOTS)
def test_another_keys_task_and_one_that_there_is_not_are_not_found_alike(consumer, make_consumer, root):
    theirs = make_consumer("bob").generate()["task_id"]

    for task_id in (theirs, uuid4()):
        quick, ordinary = read(consumer, task_id, root=root)
        assert ordinary.status_code == 404
        alike(quick, ordinary)
        assert quick.content == ordinary.content


@pytest.mark.parametrize("there_is_one", [True, False])
def test_each_read_counts_once(consumer, there_is_one):
    task_id = consumer.generate()["task_id"] if there_is_one else uuid4()

    answers = [*asked(scope_of(task_id, consumer.secret), times=3), read(consumer, task_id)[1]]

    left = [int(answer.headers["X-RateLimit-Remaining-Requests"]) for answer in answers]
    assert left == [left[0], left[0] - 1, left[0] - 2, left[0] - 4]


def test_whoever_has_a_task_that_ended_is_told_so_before_anything_is_rendered(consumer, monkeypatch):
    task_id = completed(consumer)
    etag = read(consumer, task_id)[1].headers["ETag"]

    def nothing_more() -> None:
        monkeypatch.setattr("conduit.web.quick_reads.show", lambda *_: pytest.fail("it was rendered"))

    answers = asked(scope_of(task_id, consumer.secret, if_none_match=etag), between=nothing_more, times=2)

    assert [answer.status_code for answer in answers] == [304, 304]
    assert answers[1].headers["ETag"] == etag


@pytest.mark.parametrize("moved", ["the span of its links is over", "its row changed"])
def test_whoever_has_an_older_version_of_a_task_that_ended_gets_the_newer(consumer, monkeypatch, moved):
    task_id = completed(consumer)
    etag = read(consumer, task_id)[1].headers["ETag"]

    def move() -> None:
        now = clock.now() + timedelta(seconds=settings.MEDIA_LINK_SPAN_SECONDS)
        if moved == "its row changed":
            Task.objects.filter(pk=task_id).update(updated_at=now)
        else:
            monkeypatch.setattr(clock, "now", lambda: now)

    answers = asked(scope_of(task_id, consumer.secret, if_none_match=etag), between=move, times=2)

    assert [answer.status_code for answer in answers] == [304, 200]
    assert answers[1].content == read(consumer, task_id)[1].content


def test_with_redis_away_the_ordinary_way_decides(consumer, monkeypatch):
    task_id = consumer.generate()["task_id"]

    async def away(**_: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(rates, "count_on_loop", away)

    assert asked(scope_of(task_id, consumer.secret))[0].went_on


def test_the_call_is_counted_while_its_rows_are_looked_up(consumer, monkeypatch):
    task_id = consumer.generate()["task_id"]
    is_counted = asyncio.Event()
    count, ask = rates.count_on_loop, SharedLine.ask

    async def counted(**asked: Any) -> rates.Count:
        found = await count(**asked)
        is_counted.set()
        return found

    def looked_up(*asked: Any) -> asyncio.Future[Any]:
        async def late() -> Any:
            await is_counted.wait()
            return await ask(*asked)

        return asyncio.ensure_future(late())

    def from_now_on() -> None:
        monkeypatch.setattr(rates, "count_on_loop", counted)
        monkeypatch.setattr(SharedLine, "ask", looked_up)

    answers = asked(scope_of(task_id, consumer.secret), between=from_now_on, times=2)

    assert [answer.status_code for answer in answers] == [200, 200]


def test_a_connection_that_broke_costs_one_read_nothing(consumer):
    """The next one makes another; this one goes the ordinary way, or makes another itself when it sees it in time."""
    task_id = consumer.generate()["task_id"]

    first, broken, last = asked(scope_of(task_id, consumer.secret), between=_end_others, times=3)

    assert first.status_code == last.status_code == 200
    assert broken.went_on or broken.status_code == 200


def _end_others() -> None:
    """Once they have ended: each is waited for, thirty seconds at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND query LIKE 'SELECT s.%'"
        )


@pytest.mark.parametrize("known", ["nothing", "statistics"])
def test_what_was_prepared_when_there_was_little_reads_a_few_pages_when_there_is_much(consumer, known):
    """Whatever the planner knew of the tables then: it chose once, and a plan by the key's tasks would read all of them."""
    task_id = consumer.generate()["task_id"]
    if known == "statistics":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tasks_task, videos_video, keys_virtualkey, keys_keysecret")
    secret_hash = hash_secret(consumer.secret)

    pages = asyncio.run(
        _pages_read(
            {
                "one": (reading.statement(), reading.values(secret_hash=secret_hash, of=task_id)),
                "newest": (reading.statement_of_newest(), reading.values(secret_hash=secret_hash, of=_NEWEST)),
            }
        )
    )

    assert pages["one"] < 50
    assert pages["newest"] < 150


_NEWEST = 21


async def _pages_read(statements: dict[str, tuple[str, tuple[bytes, ...]]]) -> dict[str, int]:
    """Of plans that were made before the place filled."""
    async with await connect() as taken:
        await taken.execute("SET plan_cache_mode = force_generic_plan")
        for name, (statement, values) in statements.items():
            await taken.execute(f"PREPARE {name} AS {statement}")
            await (await taken.execute(_carry_out(name, values))).fetchall()
        await asyncio.to_thread(_fill)
        return {name: await _pages_of(taken, name, values) for name, (_, values) in statements.items()}


async def _pages_of(taken: Any, name: str, values: tuple[bytes, ...]) -> int:
    cursor = await taken.execute(sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}").format(_carry_out(name, values)))
    [(plan,)] = await cursor.fetchall()
    found = plan[0]["Plan"]
    assert found["Actual Rows"] == (1 if name == "one" else _NEWEST)
    return found["Shared Hit Blocks"] + found["Shared Read Blocks"]


def _carry_out(name: str, values: tuple[bytes, ...]) -> sql.Composed:
    return sql.SQL("EXECUTE {}({})").format(sql.Identifier(name), sql.SQL(", ").join(value.decode() for value in values))


def _fill() -> None:
    """Many keys, and tasks of one of them: the one that has a task."""
    of_key = Task.objects.get()
    keys = VirtualKey.objects.bulk_create(VirtualKey(name=f"key {number}") for number in range(500))
    KeySecret.objects.bulk_create(KeySecret(key=key, prefix="condt_", secret_hash=hash_secret(key.name)) for key in keys)
    Task.objects.bulk_create(Task(key_id=of_key.key_id, kind=of_key.kind, model=of_key.model, price=1) for _ in range(2000))
    connection.close()
