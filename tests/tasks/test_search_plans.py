"""A search of tasks among 200,000 reads an index, and never more than it may look at."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys.models import Team, VirtualKey
from tasks.models import Task
from tasks.search import LOOKED_AT, Found, Wanted, search
from tasks.search_meaning import meaning_of
from tests.settings import ON_SQLITE
from videos.exchange_models import TRACES_LOOKED_AT

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(ON_SQLITE, reason="it is PostgreSQL that plans for millions"),
]

TASKS, KEYS = 200_000, 50

# One each three seconds, the newest now. The very first has a key, a model and a team of its own.
_TASKS = """
INSERT INTO tasks_task (id, key_id, team_id, kind, model, metadata, status, stage, stage_since, error, error_code, trouble, price, charged,
    progress, leg_goal, leg_started_at, leg_seconds, rest_seconds, created_at, updated_at, ended_at, lane, next_step_at, attempts)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
    CASE WHEN n = 1 THEN %(rare_key)s ELSE %(first_key)s + n %% %(keys)s END,
    CASE WHEN n = 1 THEN %(rare_team)s WHEN n %% 5 = 0 THEN %(team)s END,
    'video_generation', CASE WHEN n = 1 THEN 'rare' ELSE 'minimax-video' END, '{}', status,
    CASE WHEN status = 'processing' THEN CASE WHEN n %% 500 = 0 THEN 'assembling' ELSE 'generating' END ELSE status END, at, '',
    CASE WHEN status = 'failed' THEN CASE WHEN n < 100 THEN 'rare' ELSE 'provider_error' END ELSE '' END, '', 0.2,
    CASE WHEN status <> 'processing' THEN 0.2 END, CASE WHEN status = 'completed' THEN 100 ELSE 0 END, 0, at, 0, 0, at, at,
    CASE WHEN status <> 'processing' THEN at END, 'provider', CASE WHEN status = 'processing' THEN at END, 0
FROM (
    SELECT n, %(now)s - make_interval(secs => 3.0 * (%(tasks)s - n)) AS at, CASE
        WHEN n %% 100 = 0 THEN 'processing' WHEN n %% 10 = 3 THEN 'failed' WHEN n %% 10 = 5 THEN 'cancelled' ELSE 'completed'
    END AS status FROM generate_series(1, %(tasks)s) AS n
) AS made
"""
_VIDEOS = """
INSERT INTO videos_video (task_id, prompt, duration, resolution, aspect_ratio, upstream, plan, unfinished_assemblies, file, thumbnail)
SELECT id, CASE WHEN n = 1 THEN 'a unicorn' ELSE 'a paper boat sails down a rainy street, scene ' || n %% 1000 END, 6, '1280x720', '16:9',
    'video-01', '{}', 0, '', ''
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM tasks_task) AS task
"""
_CLIPS = """
INSERT INTO videos_clip (video_id, number, makes, start, api, upstream, seconds, resolution, ratio, sends_size, cost, expected_seconds,
    state, creates, provider_task_id, file_id, download_url, file, billed, last_frame)
SELECT task_id, 0, 'video', 'text', 'v1', 'video-01', 6, '', '', true, 0.43, 90, 'made', 1, 'job-' || n, 'file-' || n, '', '', 0.43, ''
FROM (SELECT task_id, row_number() OVER (ORDER BY task_id) AS n FROM videos_video) AS video WHERE n %% 20 = 0
"""
_EXCHANGES = """
INSERT INTO videos_exchange (video_id, clip_number, call, method, path, http, code, status, message, trace_id, is_error, milliseconds,
    count, first_at, last_at)
SELECT task_id, 0, 'create', 'POST', '/v1/video_generation', 200, 0, '', '', 'trace-' || n, false, 600, 1, at, at
FROM (SELECT task_id, n, %(now)s - make_interval(secs => 0.01 * (%(tasks)s - n)) AS at FROM (
    SELECT task_id, row_number() OVER (ORDER BY task_id) AS n FROM videos_video) AS numbered) AS video WHERE n %% 4 = 0
"""


@pytest.fixture
def crowd() -> dict[str, Any]:
    """200,000 tasks, a twentieth of them with a clip, and what they are found by."""
    team, rare_team = (Team.objects.create(name=name) for name in ("film", "rare"))
    keys = VirtualKey.objects.bulk_create([VirtualKey(name=f"key {number}") for number in range(KEYS + 1)])
    named = {"team": team.pk, "rare_team": rare_team.pk, "first_key": keys[0].pk, "rare_key": keys[-1].pk, "now": clock.now()}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the rows are known to fit together
        cursor.execute(_TASKS, named | {"keys": KEYS, "tasks": TASKS})
        for statement in (_VIDEOS, _CLIPS, _EXCHANGES):
            cursor.execute(statement, named | {"tasks": TASKS})
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE tasks_task, videos_video, videos_clip, videos_exchange")
    assert Task.objects.count() == TASKS
    return named


def searches(crowd: dict[str, Any]) -> Iterator[tuple[str, Wanted]]:
    day = timedelta(days=1)
    bounds = {"created_after": crowd["now"] - 2 * day, "created_before": crowd["now"] - day}
    yield "everything", Wanted()
    yield "a key", Wanted(key_id=frozenset({crowd["first_key"]}))
    yield "a key with one old task", Wanted(key_id=frozenset({crowd["rare_key"]}))
    yield "a team", Wanted(team_id=frozenset({crowd["team"]}))
    yield "a team with one old task", Wanted(team_id=frozenset({crowd["rare_team"]}))
    yield "a model", Wanted(model="minimax-video")
    yield "a model with one old task", Wanted(model=frozenset({"rare"}))
    yield "no model at all", Wanted(model=frozenset({"none"}))
    for status in ("queued", "processing", "completed", "failed", "cancelled"):
        yield status, Wanted(status=frozenset({status}))
    yield "under way", Wanted(status=frozenset({"queued", "processing"}))
    yield "two statuses", Wanted(status=frozenset({"failed", "cancelled"}))
    yield "a stage", Wanted(stage=frozenset({"assembling"}))
    yield "no stage at all", Wanted(stage=frozenset({"none"}))
    yield "a last stage", Wanted(stage=frozenset({"failed"}))
    yield "an error", Wanted(error_code=frozenset({"provider_error"}))
    yield "an old error", Wanted(error_code=frozenset({"rare"}))
    yield "a day", Wanted(**bounds)
    yield "before all", Wanted(created_before=crowd["now"] - 365 * day)
    yield "after all", Wanted(created_after=crowd["now"] + day)
    yield "a key's day", Wanted(key_id=frozenset({crowd["first_key"]}), **bounds)
    # Two that are often there and never together: a planner that takes them for independent expects to find some soon.
    yield "a key without such tasks", Wanted(key_id=frozenset({crowd["rare_key"]}), model="minimax-video")
    yield "a team without such tasks", Wanted(team_id=frozenset({crowd["team"]}), status=frozenset({"failed"}))
    yield "two statuses of a model without any", Wanted(model=frozenset({"rare"}), status=frozenset({"failed", "cancelled"}))
    yield "an error of a team without any", Wanted(team_id=frozenset({crowd["team"]}), error_code=frozenset({"provider_error"}))
    yield (
        "everything together",
        Wanted(
            key_id=frozenset({crowd["first_key"]}),
            team_id=frozenset({crowd["team"]}),
            model="minimax-video",
            status=frozenset({"completed"}),
            **bounds,
        ),
    )


# As people write them. Of what they name, keys and teams alone are few enough to be looked through.
WRITTEN = (
    "boat", "unicorn", '-boat "a rainy" street', "prompt:unicorn", 'key:"key 3"', 'key:"key 50" boat', 'key:"key 4*"', 'key:"key 4*" -boat',
    "team:film status:failed", "-team:film", "status:failed,cancelled", "status:failed,cancelled,active unicorn", "-status:completed",
    "error:provider_error,rare", "error:rare", "refused:rate_limit", "meta:shot=12", "cost>5", "wait>10m", "size:720x480", "seconds:7",
    "created:>2d key:\"key 3\" cost>1", "created:2020-01-01", "provider:job-7000", "provider:trace-180000",
    "provider:nothing-like-it", "trace-like-nothing-1", "stage:assembling,generating", "model:rare,minimax-video status:failed",
)  # fmt: skip
# A span of time whose rows PostgreSQL may rather read than as many of the status that lie far from each other: never the whole table.
WITHIN_A_TIME = ("created:>3d status:failed", "created:>1d team:film -boat")
KNOWN_TO_BE_FEW = {"keys_virtualkey", "keys_team"}
# Where more is read than LOOKED_AT.
BOUNDS = {"videos_exchange": 1.1 * TRACES_LOOKED_AT}


def test_no_search_reads_the_whole_table_or_more_than_it_may_look_at(crowd):
    newest_200 = Task.objects.order_by("-pk").values_list("pk", flat=True)[199]
    oldest = Task.objects.order_by("pk").values_list("pk", flat=True)[0]
    problems = []
    for name, wanted in searches(crowd):
        for after in (None, newest_200):
            problems += [f"{name}: {problem}" for problem in _problems(lambda wanted=wanted, after=after: _search(wanted, after))]
    tails = [f"id:{str(oldest)[-8:]}", f"id:{oldest}", str(oldest)[-8:], f"id:{str(oldest)[-5:]}", f"id:{str(oldest)[:13]}"]
    for text in (*WRITTEN, *tails, *WITHIN_A_TIME):
        for asked in ({"after": None}, {"after": newest_200, "newer": True}):
            most = TASKS // 2 if text in WITHIN_A_TIME else 1.1 * LOOKED_AT
            problems += [f"{text}: {problem}" for problem in _problems(lambda text=text, asked=asked: _written(text, **asked), most)]

    assert not problems, "\n".join(problems)
    assert len(_search(Wanted(model=frozenset({"rare"})), None).task_ids) == 1
    assert len(_search(Wanted(stage=frozenset({"assembling"})), None).task_ids) == 20
    assert _search(Wanted(key_id=frozenset({crowd["rare_key"]}), model=frozenset({"minimax-video"})), None) == Found([], None)
    assert all(_written(text, after=None).task_ids == [oldest] for text in tails[:3])
    for known_as in ("job-7000", "file-7000", "trace-180000"):
        assert len(_written(f"provider:{known_as}", after=None).task_ids) == 1


def _search(wanted: Wanted, after: UUID | None) -> Found:
    return search(wanted, after=after, limit=20)


def _written(text: str, **asked: Any) -> Found:
    """As the console asks: for as many as it may count."""
    return search(meaning_of(text, clock.now()).wanted, limit=LOOKED_AT, **asked)


def _problems(ask: Any, most: float = 1.1 * LOOKED_AT) -> Iterator[str]:
    """What is wrong with how the database answers what `ask` asks; a tenth is for the few that the ids' slack lets in."""
    with CaptureQueriesContext(connection) as asked:
        ask()
    for query in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql'].replace('%', '%%')}")
            plan = cursor.fetchone()[0][0]["Plan"]
        scans = list(_scans(plan))
        whole = {scan["Relation Name"] for scan in scans if scan["Node Type"] == "Seq Scan"} - KNOWN_TO_BE_FEW
        if whole:
            yield f"reads all of {whole}: {query['sql']}"
        read: Counter[str] = Counter()
        for scan in scans:
            rows = (scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"]
            read[scan.get("Relation Name") or scan["Index Name"]] += rows
        for name, rows in read.items():
            if rows > BOUNDS.get(name, most):
                yield f"reads {rows} rows of {name}: {query['sql']}"


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)
