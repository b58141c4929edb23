"""A search of tasks among 200,000 reads an index, and never more than it may look at."""

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
from tests.settings import ON_SQLITE
from videos.models import Clip

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
SELECT id, 'a cat', 6, '1280x720', '16:9', 'video-01', '{}', 0, '', '' FROM tasks_task WHERE random() < 0.05
"""
_CLIPS = """
INSERT INTO videos_clip (video_id, number, makes, start, api, upstream, seconds, resolution, ratio, sends_size, cost, expected_seconds,
    state, creates, provider_task_id, file_id, download_url, file, billed, last_frame)
SELECT task_id, 0, 'video', 'text', 'v1', 'video-01', 6, '', '', true, 0.43, 90, 'made', 1, 'job-' || n, 'file-' || n, '', '', 0.43, ''
FROM (SELECT task_id, row_number() OVER (ORDER BY task_id) AS n FROM videos_video) AS video
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
        cursor.execute(_VIDEOS)
        cursor.execute(_CLIPS)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE tasks_task, videos_video, videos_clip")
    assert Task.objects.count() == TASKS
    return named


def searches(crowd: dict[str, Any]) -> Iterator[tuple[str, Wanted]]:
    day = timedelta(days=1)
    bounds = {"created_after": crowd["now"] - 2 * day, "created_before": crowd["now"] - day}
    yield "everything", Wanted()
    yield "a key", Wanted(key_id=crowd["first_key"])
    yield "a key with one old task", Wanted(key_id=crowd["rare_key"])
    yield "a team", Wanted(team_id=crowd["team"])
    yield "a team with one old task", Wanted(team_id=crowd["rare_team"])
    yield "a model", Wanted(model="minimax-video")
    yield "a model with one old task", Wanted(model="rare")
    yield "no model at all", Wanted(model="none")
    for status in ("queued", "processing", "completed", "failed", "cancelled"):
        yield status, Wanted(statuses=frozenset({status}))
    yield "under way", Wanted(statuses=frozenset({"queued", "processing"}))
    yield "two statuses", Wanted(statuses=frozenset({"failed", "cancelled"}))
    yield "a stage", Wanted(stage="assembling")
    yield "no stage at all", Wanted(stage="none")
    yield "a last stage", Wanted(stage="failed")
    yield "an error", Wanted(error_code="provider_error")
    yield "an old error", Wanted(error_code="rare")
    yield "a day", Wanted(**bounds)
    yield "before all", Wanted(created_before=crowd["now"] - 365 * day)
    yield "after all", Wanted(created_after=crowd["now"] + day)
    yield "a key's day", Wanted(key_id=crowd["first_key"], **bounds)
    # Two that are often there and never together: a planner that takes them for independent expects to find some soon.
    yield "a key without such tasks", Wanted(key_id=crowd["rare_key"], model="minimax-video")
    yield "a team without such tasks", Wanted(team_id=crowd["team"], statuses=frozenset({"failed"}))
    yield "two statuses of a model without any", Wanted(model="rare", statuses=frozenset({"failed", "cancelled"}))
    yield "an error of a team without any", Wanted(team_id=crowd["team"], error_code="provider_error")
    yield (
        "everything together",
        Wanted(key_id=crowd["first_key"], team_id=crowd["team"], model="minimax-video", statuses=frozenset({"completed"}), **bounds),
    )


def test_no_search_reads_the_whole_table_or_more_than_it_may_look_at(crowd):
    newest_200 = Task.objects.order_by("-pk").values_list("pk", flat=True)[199]
    problems = []
    for name, wanted in searches(crowd):
        for after in (None, newest_200):
            problems += [f"{name}: {problem}" for problem in _problems(lambda wanted=wanted, after=after: _search(wanted, after))]
    for known_as in ("job-7000", "file-7000"):
        problems += [f"{known_as}: {problem}" for problem in _problems(lambda known_as=known_as: _found_by(known_as))]

    assert not problems, "\n".join(problems)
    assert len(_search(Wanted(model="rare"), None).task_ids) == 1
    assert len(_search(Wanted(stage="assembling"), None).task_ids) == 20
    assert _search(Wanted(key_id=crowd["rare_key"], model="minimax-video"), None) == Found([], None)


def _search(wanted: Wanted, after: UUID | None) -> Found:
    return search(wanted, after=after, limit=20)


def _found_by(known_as: str) -> Found:
    task_ids = Clip.objects.tasks_with_provider_id(known_as)
    assert len(task_ids) == 1
    return _search(Wanted(task_ids=task_ids), None)


def _problems(ask: Any) -> Iterator[str]:
    """What is wrong with how the database answers what `ask` asks."""
    with CaptureQueriesContext(connection) as asked:
        ask()
    for query in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql'].replace('%', '%%')}")
            plan = cursor.fetchone()[0][0]["Plan"]
        scans = list(_scans(plan))
        if whole := [scan["Relation Name"] for scan in scans if scan["Node Type"] == "Seq Scan"]:
            yield f"reads all of {whole}: {query['sql']}"
        read = sum((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"] for scan in scans)
        if read > 1.1 * LOOKED_AT:  # and the few that the ids' slack lets in
            yield f"reads {read} rows: {query['sql']}"


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)
