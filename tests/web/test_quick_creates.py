"""Videos that are created on the event loop are answered and written as the ordinary way does, to the byte; what is unusual goes there."""

import asyncio
import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import redis
from django.db import connection

from conduit import clock
from conduit.api.models import KeptAnswer
from keys import limits, rates
from keys.models import BudgetAlert, BudgetWindow, KeySecret, Period, Team, UsageCost, VirtualKey
from tasks import lifecycle, pauses
from tasks.models import Feed, PauseKind, Task, TaskEvent
from tasks.notifications.models import TaskTarget
from tests.support.quick_creates import GOOD, ordinarily, post, quick_creates, quickly
from videos.models import BlockedTerm, ResolutionFactor, Video, VideoModel

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way"),
]

# Headers that count calls, or time, and so differ between two that are alike.
_COUNTED = {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z")


@pytest.fixture(autouse=True)
def _still(time_travel):
    """The clock stands: what is read off it is the same for both."""
    time_travel.move_to(clock.now(), tick=False)


def without_ids(text: str) -> str:
    return _MOMENT.sub("…", _ID.sub("…", text))


def compared(answer: Any) -> tuple[Any, ...]:
    headers = {name.lower(): without_ids(value) for name, value in answer.headers.items()}
    headers.setdefault("content-length", str(len(answer.content)))  # the server's to write on the ordinary way
    said = {name: "" if name in _COUNTED else value for name, value in headers.items()}
    return answer.status_code, said, without_ids(answer.content.decode())


def alike(consumer, wanted: object = GOOD, **headers: str) -> Any:
    """Ask on the loop and then the ordinary way; how the loop answered."""
    quick, ordinary = quickly(consumer.secret, wanted, **headers), ordinarily(consumer, wanted, **headers)
    assert quick.went_on is None
    assert compared(quick) == compared(ordinary)
    return quick


WANTED = {
    "the least": GOOD,
    "everything": {
        "model": "video-01",
        "prompt": '  naïve 🎬 "quotes" </script> %s\n ',
        "duration": "17",
        "resolution": "1080x1920",
        "aspect_ratio": "9:16",
        "metadata": {"order": "7", "\u732b": "%s"},
        "expires_in": "3600",
        "prompt_optimizer": False,
        "webhook_url": "https://example.com/hooks?of=7",
        "webhook_events": ["video.failed", "task.progress"],
    },
    "another model": GOOD | {"model": "minimax-h3", "duration": 60},
}


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
def test_a_create_is_answered_alike_on_the_loop(consumer, wanted):
    assert alike(consumer, wanted).status_code == 202


def rows_of_two():
    """Every column of what two creates wrote, of each model as two lists of rows."""
    with connection.cursor() as cursor:
        for model, order in ((Task, "id"), (Video, "task_id"), (UsageCost, "id"), (TaskEvent, "id"), (TaskTarget, "created_at")):
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}" ORDER BY {order}')
            names = [column[0] for column in cursor.description]
            yield model.__name__, *(dict(zip(names, row, strict=True)) for row in cursor.fetchall())


@pytest.mark.parametrize("is_bound", [True, False], ids=["under a team's budget and limits", "under none"])
def test_the_rows_are_those_of_the_ordinary_way_column_by_column(consumer, is_bound):
    if is_bound:
        team = Team.objects.create(name="film", price_factor=Decimal("0.8"))
        VirtualKey.objects.update(team=team, tasks_in_flight=9, tasks_per_hour=9)
        team.budgets.create(period=Period.DAILY, time_zone="Europe/Berlin", amount=3)
    quickly(consumer.secret, WANTED["everything"])
    ordinarily(consumer, WANTED["everything"])

    for name, ours, theirs in rows_of_two():
        differ = {column for column in ours if ours[column] != theirs[column] and not isinstance(ours[column], datetime)}
        assert ours.keys() == theirs.keys()
        assert {column: type(value) for column, value in ours.items()} == {column: type(value) for column, value in theirs.items()}
        assert differ <= {"id", "task_id", "position"}, name
    assert list(TaskEvent.objects.order_by("id").values_list("position", "is_to_be_told")) == [(1, True), (2, True)]
    assert Feed.objects.get().position == 2
    assert [window.held for window in BudgetWindow.objects.all()] == ([2 * Task.objects.first().price] if is_bound else [])


@pytest.mark.parametrize(
    "wanted",
    [
        b"{", b"[]", b'{"model": NaN}', b'{"a": 1, "a": 2}', b"\xff",
        {}, GOOD | {"duration": 61}, GOOD | {"resolution": "1x1"}, GOOD | {"seed": 7}, GOOD | {"prompt": " "}, GOOD | {"prompt": "a\0b"},
        GOOD | {"prompt": "x" * 2001}, GOOD | {"aspect_ratio": "9:16", "resolution": "1280x720"}, GOOD | {"metadata": {"a": 1}},
        GOOD | {"webhook_url": "https://10.0.0.1/"}, GOOD | {"webhook_events": ["task.queued"]},
        GOOD | {"expires_in": 9},
        GOOD | {"model": "minimax-h3", "prompt_optimizer": True},
        GOOD | {"model": "unknown"}, GOOD | {"model": "minimax-h3", "resolution": "720x480"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_told_alike(consumer, wanted):
    ResolutionFactor.objects.filter(model__name="minimax-h3", resolution="720x480").delete()

    assert alike(consumer, wanted).status_code in (400, 404)
    assert not Task.objects.exists()


def over_its_budget(consumer):
    consumer.key.budgets.create(period=Period.DAILY, amount=Decimal("0.1"))


def over_its_teams_budget(consumer):
    team = Team.objects.create(name="film")
    team.budgets.create(period=Period.MONTHLY, time_zone="Asia/Tokyo", amount=Decimal("0.1"))
    VirtualKey.objects.update(team=team)


def no_task_at_once(consumer):
    VirtualKey.objects.update(tasks_in_flight=0)


def none_in_an_hour(consumer):
    VirtualKey.objects.update(tasks_per_hour=0)


def too_dear(consumer):
    VirtualKey.objects.update(highest_price=Decimal("0.05"))


def not_its_model(consumer):
    VirtualKey.objects.update(model_names=["minimax-h3"])


def blocked(consumer):
    BlockedTerm.objects.create(term="cat")


def paused(consumer):
    pauses.begin(who="root", kind=PauseKind.NEW_WORK, message="Back at noon.")


def paused_for_a_while(consumer):
    pauses.begin(who="root", kind=PauseKind.NEW_WORK, until=clock.now() + timedelta(hours=1))


def no_place(consumer):
    VirtualKey.objects.update(creates_per_minute=0)


def crowded(consumer):
    VirtualKey.objects.update(creates_per_day=0)


def no_such_model(consumer):
    VideoModel.objects.update(enabled=False)


REFUSALS = {
    over_its_budget: 402, over_its_teams_budget: 402, no_task_at_once: 429, none_in_an_hour: 429, too_dear: 400, not_its_model: 403,
    blocked: 400, paused: 503, paused_for_a_while: 503, no_place: 429, crowded: 429, no_such_model: 404,
}  # fmt: skip


@pytest.mark.parametrize(("change", "status"), REFUSALS.items())
@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "k"}], ids=["once", "idempotent"])
def test_a_refusal_is_told_alike_and_leaves_nothing_behind(consumer, change, status, headers):
    change(consumer)

    assert alike(consumer, **headers).status_code == status
    for model in (Task, Video, TaskEvent, UsageCost, BudgetWindow, BudgetAlert, Feed, KeptAnswer):
        assert not model.objects.exists()


# ---- Idempotency


def test_a_call_that_is_sent_again_is_answered_again_whichever_way_it_comes(consumer):
    for first, again in ((quickly, "loop"), (lambda secret, **named: ordinarily(consumer, **named), "thread")):
        made = first(consumer.secret, idempotency_key=again)
        for answer in (quickly(consumer.secret, idempotency_key=again), ordinarily(consumer, idempotency_key=again)):
            assert (made.status_code, answer.status_code, answer.content) == (202, 202, made.content)
            assert answer.headers["Idempotent-Replayed"] == "true"
            assert answer.headers["Location"] == made.headers["Location"]
        assert "Idempotent-Replayed" not in made.headers
        alike(consumer, GOOD, idempotency_key=again)
        assert alike(consumer, GOOD | {"prompt": "a dog"}, idempotency_key=again).status_code == 409
    assert Task.objects.count() == 2


@pytest.mark.parametrize("change", [over_its_budget, no_place, blocked, no_such_model, paused])
def test_what_was_accepted_is_answered_again_whatever_would_refuse_it_by_now(consumer, change):
    made = quickly(consumer.secret, idempotency_key="k")
    change(consumer)

    again = alike(consumer, idempotency_key="k")

    assert (again.status_code, again.content) == (202, made.content)


@pytest.mark.parametrize("sent", ["", "a b", "x" * 256, "ä"])
def test_a_header_that_is_not_well_formed_is_told_alike(consumer, sent):
    if sent:
        assert alike(consumer, idempotency_key=sent).status_code == 400


# ---- Who is not let in, and what is unusual


def disabled(consumer):
    VirtualKey.objects.update(enabled=False)


def expired(consumer):
    VirtualKey.objects.update(expires_at=clock.now() - timedelta(seconds=1))


def deleted(consumer):
    VirtualKey.objects.update(deleted_at=clock.now())


def replaced(consumer):
    KeySecret.objects.update(expires_at=clock.now() - timedelta(seconds=1))


def elsewhere(consumer):
    VirtualKey.objects.update(ip_ranges=["10.0.0.0/8"])


def unknown(consumer):
    KeySecret.objects.all().delete()


@pytest.mark.parametrize("change", [disabled, expired, deleted, replaced, elsewhere, unknown])
def test_who_is_not_let_in_is_refused_by_the_ordinary_way(consumer, change):
    change(consumer)

    assert quickly(consumer.secret).went_on == json.dumps(GOOD).encode()
    assert ordinarily(consumer).status_code in (401, 403)


@pytest.mark.parametrize(
    "unusual",
    [
        {"origin": "https://example.com"},
        {"x_api_key": "condt_other"},
        {"authorization": ""},
        {"authorization": "Basic YTpi"},
        {"host": "elsewhere.example"},
        {"content_length": "0"},
        {"content_length": ""},
        {"content_length": "300000"},
        {"cookie": "a=b"},
        {"content_type": "text/plain"},
        {"expect": "100-continue"},
    ],
    ids=str,
)
def test_what_is_unusual_goes_the_ordinary_way(consumer, unusual, settings):
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]

    assert quickly(consumer.secret, **unusual).went_on is not None
    assert not Task.objects.exists()


def test_with_redis_away_the_ordinary_way_decides(consumer, monkeypatch):
    async def away(**_: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(rates, "count_on_loop", away)

    assert quickly(consumer.secret).went_on is not None


def test_each_create_counts_once(consumer):
    left = [
        int(answer.headers["X-RateLimit-Remaining-Requests"])
        for _ in range(2)
        for answer in (quickly(consumer.secret), ordinarily(consumer))
    ]

    assert left == [left[0] - counted for counted in range(4)]


# ---- What goes wrong on the way


def test_connections_that_ended_cost_one_create_the_ordinary_way(consumer):
    async def thrice() -> list[Any]:
        async with quick_creates(None) as creates:
            first = await post(creates, consumer.secret)
            await asyncio.to_thread(_end_others)
            return [first, await post(creates, consumer.secret), await post(creates, consumer.secret)]

    first, second, third = asyncio.run(thrice())
    assert (first.status_code, third.status_code) == (202, 202)
    assert second.status_code == 202 or second.went_on


def _end_others() -> None:
    with psycopg.connect(**_server(), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"  # until it has ended
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()


def _server() -> dict[str, Any]:
    named = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
    return {name: connection.settings_dict[setting] for name, setting in named.items()}


def test_a_key_that_is_held_elsewhere_is_told_to_come_back_and_keeps_nobody_else_waiting(consumer, make_consumer, monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c lock_timeout=500ms")
    other = make_consumer("bob")

    async def both() -> list[Any]:
        async with quick_creates(None) as creates:
            with psycopg.connect(**_server()) as holder:
                holder.execute("SELECT FROM keys_virtualkey WHERE id = %s FOR UPDATE", [consumer.key.pk])
                held = [asyncio.create_task(post(creates, consumer.secret)) for _ in range(20)]
                free = await asyncio.wait_for(post(creates, other.secret), 60)
                told = [free, await held[0], *[task for task in held[1:] if not task.done()]]
            await asyncio.gather(*held)  # one that is given up on its way to a connection leaves it open
            return told

    free, held, *waiting = asyncio.run(both())
    assert free.status_code == 202
    assert (held.status_code, held.json()["error"]["code"], held.headers["Retry-After"]) == (503, "overloaded", "5")
    assert waiting  # in line, on the loop


def test_a_create_whose_client_goes_is_finished_and_told_of(consumer, monkeypatch):
    told = []
    monkeypatch.setattr(lifecycle, "tell_created", lambda event, own: told.append(event.task_id))

    async def leave() -> None:
        async with quick_creates(None) as creates:
            await post(creates, consumer.secret)  # makes the connections
            reserve = lifecycle.spending.reserve
            begun = asyncio.Event()

            def noticed(*args: Any, **named: Any) -> Any:
                begun.set()
                return reserve(*args, **named)

            monkeypatch.setattr(lifecycle.spending, "reserve", noticed)
            call = asyncio.create_task(post(creates, consumer.secret))
            await begun.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while len(told) < 2:
                await asyncio.sleep(0)

    asyncio.run(leave())
    assert Task.objects.count() == 2
    assert set(told) == set(Task.objects.values_list("pk", flat=True))


def test_what_nobody_foresaw_is_a_500_that_leaves_nothing_behind_and_nobody_waiting(consumer, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "_event_of", lambda *_: 1 / 0)
        assert quickly(consumer.secret, idempotency_key="k").status_code == 500
    assert not Task.objects.exists()

    assert quickly(consumer.secret, idempotency_key="k").status_code == 202


def test_the_next_create_has_the_catalogue_of_now(consumer):
    assert quickly(consumer.secret).json()["cost"]["estimated"] == "0.2000"
    VideoModel.objects.filter(name="video-01").update(base_price=Decimal("0.4"))
    assert quickly(consumer.secret).json()["cost"]["estimated"] == "0.4000"


def test_a_message_of_the_log_ties_the_request_to_its_task(consumer, caplog):
    task_id = quickly(consumer.secret).json()["task_id"]

    [created] = [line.msg for line in caplog.records if line.name == "tasks.lifecycle"]
    [request] = [line.msg for line in caplog.records if line.name == "conduit.request"]
    assert (created["task_id"], created["request_id"]) == (task_id, "mine")
    assert {name: request[name] for name in ("method", "path", "status", "client", "request_id")} == {
        "method": "POST", "path": "/v1/video/generations", "status": 202, "client": "127.0.0.1", "request_id": "mine",
    }  # fmt: skip
    assert limits.creates_per_minute(consumer.key)
