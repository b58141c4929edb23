"""Tasks by the hundred thousand, with their events, money, clips and exchanges, made by PostgreSQL itself within seconds.

One each few seconds until now, in the usual proportions: a hundredth is under way, a tenth failed, a tenth was cancelled. The very
first has a key, a team, a model and an error of its own, so that what is rare can be looked for among the rest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

from conduit import clock
from conduit.rollups.models import Cursor
from keys import rollups as keys_rollups
from keys.models import Budget, BudgetWindow, Team, UsageCost, VirtualKey
from keys.rollup_models import MoneyCount, MoneyOfDay, MoneyOfMonth
from tasks import rollups as tasks_rollups
from tasks.models import Feed, Task, TaskEvent
from tasks.notifications.models import Delivery, Endpoint, Mail, Message, Try
from tasks.rollup_models import TaskCount, TaskTime
from tests.support.finished_videos import PLAN
from tests.support.tampering import tampering
from videos.exchange_models import Exchange, Timing
from videos.models import Clip, Video
from videos.rollup_models import BilledCount, BilledOfDay, BilledOfModel, BilledOfMonth, CallCount, CallTime, MakingTime

ROLL_UPS: tuple[type[models.Model], ...] = (
    *(TaskCount, TaskTime, MoneyCount, MoneyOfDay, MoneyOfMonth),
    *(BilledCount, BilledOfModel, BilledOfDay, BilledOfMonth, CallCount, CallTime, MakingTime, Cursor),
)
TOLD: tuple[type[models.Model], ...] = (Try, Delivery, Message, Endpoint, Mail)
TABLES: tuple[type[models.Model], ...] = (*TOLD, Exchange, Clip, Video, Timing, TaskEvent, Feed, Task, UsageCost, *ROLL_UPS)
# Whose many rows belong to tasks, and which events and exchanges are still kept: the newest.
KEPT_EVENTS, KEPT_EXCHANGES = 0.25, 0.1
# Of how many tasks' ends somebody was told, and mails.
TOLD_OF, MAILS = 0.1, 2_000


@dataclass(frozen=True)
class Many:
    """What was made, and what some of it is found by."""

    tasks: int
    now: datetime
    keys: int
    first_key: int  # the ids of all usual keys follow each other
    rare_key: int  # has one task, the oldest
    team: int
    rare_team: int
    newest: UUID
    oldest: UUID
    completed: UUID  # lately
    failed: UUID  # lately
    running: UUID
    endpoint: str  # the id of the one that was told most
    some: tuple[UUID, ...]  # twenty of the newest


def make_many(tasks: int = 100_000, *, keys: int = 50, seconds_between: float = 6.0) -> Many:
    """Fill the tables of a migrated database. Remove it with `remove_many`, or leave it to whoever empties the database."""
    team, rare_team = (Team.objects.create(name=name) for name in ("film", "rare"))
    made = VirtualKey.objects.bulk_create(
        [VirtualKey(name=f"key {number}", team=team if number % 5 == 0 else None) for number in range(keys)]
        + [VirtualKey(name="rare", team=rare_team)]
    )
    named = {
        "tasks": tasks, "keys": keys, "first_key": made[0].pk, "rare_key": made[-1].pk, "team": team.pk, "rare_team": rare_team.pk,
        "now": clock.now(), "between": seconds_between, "plan": json.dumps(PLAN.as_json()),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the rows are known to fit together
        cursor.execute("SET work_mem = '256MB'")
        for model, columns, source in _rows():
            _insert(cursor, model, columns, source, named)
        for name, counted in ((tasks_rollups.NAME, TaskEvent), (keys_rollups.NAME, UsageCost)):
            Cursor.objects.create(name=name, position=counted._default_manager.latest("pk").pk)  # nothing is left to be counted
        cursor.execute("RESET session_replication_role; RESET work_mem")
        cursor.execute(f"ANALYZE {', '.join(table._meta.db_table for table in TABLES)}, keys_virtualkey, keys_budget, keys_budgetwindow")
    return _found(named)


def remove_many() -> None:
    with tampering(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(table._meta.db_table for table in TABLES)} RESTART IDENTITY CASCADE")
    for model in (BudgetWindow, Budget, VirtualKey, Team):
        model._default_manager.all().delete()


def _found(named: Mapping[str, Any]) -> Many:
    def newest(status: str) -> UUID:
        return Task.objects.filter(status=status).order_by("-pk").values_list("pk", flat=True)[10]

    ends = [Task.objects.order_by(order).values_list("pk", flat=True)[0] for order in ("-pk", "pk")]
    names = ("tasks", "now", "keys", "first_key", "rare_key", "team", "rare_team")
    states = {name: newest(status) for name, status in (("completed", "completed"), ("failed", "failed"), ("running", "processing"))}
    some = tuple(Task.objects.order_by("-pk").values_list("pk", flat=True)[:20])
    endpoint = Endpoint.objects.earliest("pk").public_id
    facts: dict[str, Any] = {name: named[name] for name in names} | states
    return Many(some=some, endpoint=endpoint, newest=ends[0], oldest=ends[1], **facts)


def _insert(cursor: Any, model: type[models.Model], columns: Mapping[str, str], source: str, named: Mapping[str, Any]) -> None:
    """Rows of `source` with these columns, each an expression in SQL; what is not named has Django's default."""
    given = dict(columns)
    values: dict[str, Any] = dict(named)
    for field in model._meta.concrete_fields:
        needs = not field.null and not field.primary_key and not field.has_db_default()
        if field.column and field.column not in given and needs:
            given[field.column] = f"%(default_{field.column})s"
            values[f"default_{field.column}"] = field.get_db_prep_save(field.get_default(), connection)
    names = ", ".join(f'"{name}"' for name in given)
    cursor.execute(f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(given.values())} FROM {source}", values)


_MADE = """(
    SELECT n, %(now)s - make_interval(secs => %(between)s * (%(tasks)s - n)) AS at, 60 + n %% 240 AS took, CASE
        WHEN n %% 100 = 0 THEN 'processing' WHEN n %% 10 = 3 THEN 'failed' WHEN n %% 10 = 5 THEN 'cancelled' ELSE 'completed'
    END AS status, CASE n %% 10 WHEN 1 THEN 'video-01' WHEN 2 THEN 'hailuo-02' ELSE 'minimax-video' END AS model
    FROM generate_series(1, %(tasks)s) AS n
) AS made"""
_ID = "(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid"
_ENDED = "status <> 'processing'"
_END = "at + make_interval(secs => took)"

_TASK = {
    "id": _ID,
    "key_id": "CASE WHEN n = 1 THEN %(rare_key)s ELSE %(first_key)s + n %% %(keys)s END",
    "team_id": "CASE WHEN n = 1 THEN %(rare_team)s WHEN n %% %(keys)s %% 5 = 0 THEN %(team)s END",
    "kind": "'video_generation'",
    "model": "CASE WHEN n = 1 THEN 'rare' ELSE model END",
    "status": "status",
    "stage": f"CASE WHEN {_ENDED} THEN status WHEN n %% 500 = 0 THEN 'assembling' WHEN n %% 700 = 0 THEN 'waiting_for_provider_balance' "
    "ELSE 'generating' END",
    "stage_since": "at",
    "error": "CASE WHEN status = 'failed' THEN 'It failed.' ELSE '' END",
    "error_code": "CASE WHEN status <> 'failed' THEN '' WHEN n < 100 THEN 'rare' WHEN n %% 3 = 0 THEN 'content_policy_violation' "
    "ELSE 'provider_error' END",
    "price": "0.2",
    "charged": f"CASE WHEN status = 'completed' THEN 0.2 WHEN {_ENDED} THEN 0 END",
    "progress": "CASE WHEN status = 'completed' THEN 100 ELSE 0 END",
    "leg_started_at": "at",
    "created_at": "at",
    "updated_at": "at",
    "started_at": "at + interval '2 seconds'",
    "ended_at": f"CASE WHEN {_ENDED} THEN {_END} END",
    "next_step_at": f"CASE WHEN NOT ({_ENDED}) THEN %(now)s + interval '1 hour' END",
}
_WORDS = "(ARRAY['lighthouse', 'storm', 'paper boat', 'fox', 'snow', 'market', 'drone', 'harbour', 'waltz', 'comet', 'glacier'])"
_VIDEO = {
    "task_id": "id",
    "prompt": f"format('A %%s and a %%s in the %%s%%s, seen at dusk, number %%s', {_WORDS}[1 + n %% 11], {_WORDS}[1 + n / 11 %% 11], "
    f"{_WORDS}[1 + n / 121 %% 11], CASE WHEN n = 1 THEN ' with a rhinoceros' ELSE '' END, n)",
    "duration": "6",
    "resolution": "'1280x720'",
    "aspect_ratio": "'16:9'",
    "upstream": "'video-01'",
    "plan": "%(plan)s::jsonb",
    "file": "CASE WHEN status = 'completed' THEN 'results/' || id || '/video-0123456789ab.mp4' ELSE '' END",
    "thumbnail": "CASE WHEN status = 'completed' THEN 'results/' || id || '/thumbnail-0123456789ab.jpg' ELSE '' END",
    "swept_at": "ended_at",
}
_CLIP = {
    "video_id": "id",
    "number": "0",
    "api": "'v1'",
    "upstream": "CASE WHEN n %% 10 = 2 THEN 'MiniMax-Hailuo-02' ELSE 'video-01' END",
    "seconds": "6",
    "cost": "0.19",
    "expected_seconds": "90",
    "state": "CASE WHEN status = 'processing' THEN 'submitted' WHEN status = 'completed' THEN 'ready' ELSE 'made' END",
    "creates": "1",
    "sent_at": "created_at",
    "submitted_at": "created_at + interval '2 seconds'",
    "made_at": "CASE WHEN status <> 'processing' THEN ended_at - interval '10 seconds' END",
    "provider_task_id": "'job-' || n",
    "file_id": "CASE WHEN status <> 'processing' THEN 'file-' || n ELSE '' END",
    "billed": "CASE WHEN status <> 'failed' THEN 0.19 ELSE 0 END",
    "billed_counted": "CASE WHEN status <> 'failed' THEN 0.19 ELSE 0 END",
}
# With the number that each was made by: it is the end of its id.
_TASKS = "(SELECT *, ('x' || right(replace(id::text, '-', ''), 8))::bit(32)::int AS n FROM tasks_task) AS task"
_COST = {
    "key_id": "key_id",
    "team_id": "team_id",
    "task_id": "id",
    "task_kind": "kind",
    "model": "model",
    "entry": "entry",
    "amount": "price",
    "counted_at": "created_at",
    "created_at": "moment",
}
_COSTS = """(
    SELECT *, 'hold' AS entry, created_at AS moment FROM tasks_task
    UNION ALL SELECT *, CASE status WHEN 'completed' THEN 'capture' ELSE 'release' END, ended_at FROM tasks_task WHERE ended_at IS NOT NULL
    ORDER BY moment
) AS cost"""
_EVENT = {
    "task_id": "id",
    "key_id": "key_id",
    "position": "row_number() OVER (PARTITION BY key_id ORDER BY moment, happened)",
    "status": "happened",
    "facts": "'{}'",
    "created_at": "moment",
}
_EVENTS = f"""(
    SELECT id, key_id, 'queued' AS happened, created_at AS moment FROM tasks_task
    UNION ALL SELECT id, key_id, 'processing', started_at FROM tasks_task
    UNION ALL SELECT id, key_id, status, ended_at FROM tasks_task WHERE ended_at IS NOT NULL
    ORDER BY moment
) AS event WHERE moment > %(now)s - make_interval(secs => %(between)s * %(tasks)s * {KEPT_EVENTS})"""
_EXCHANGE = {
    "video_id": "id",
    "clip_number": "0",
    "call": "call",
    "method": "'GET'",
    "path": "'/v1/query/video_generation'",
    "http": "200",
    "code": "CASE WHEN is_error THEN 1002 ELSE 0 END",
    "status": "CASE WHEN call = 'query' AND NOT is_error THEN 'Processing' ELSE '' END",
    "message": "CASE WHEN is_error THEN 'rate limit' ELSE '' END",
    "trace_id": "md5(id::text || call)",
    "is_error": "is_error",
    "milliseconds": "200 + n %% 400",
    "count": "CASE WHEN call = 'query' THEN 9 ELSE 1 END",
    "first_at": "created_at",
    "last_at": "created_at",
    "unchanged": "CASE WHEN call = 'query' AND NOT is_error THEN md5(id::text)::uuid END",
}
_EXCHANGES = f"""(
    SELECT task.*, call, call = 'create' AND n %% 50 = 0 AS is_error FROM {_TASKS}, unnest(ARRAY['create', 'query', 'download']) AS call
    WHERE created_at > %(now)s - make_interval(secs => %(between)s * %(tasks)s * {KEPT_EXCHANGES})
) AS said"""


def _rows() -> list[tuple[type[models.Model], dict[str, str], str]]:
    """What is made, each from what was made before."""
    return [
        (Task, _TASK, _MADE),
        (Video, _VIDEO, _TASKS),
        (Clip, _CLIP, _TASKS),
        (UsageCost, _COST, _COSTS),
        (TaskEvent, _EVENT, _EVENTS),
        (Feed, {"key_id": "key_id", "position": "max(position)", "kept_from": "1"}, "tasks_taskevent GROUP BY key_id"),
        (Exchange, _EXCHANGE, _EXCHANGES),
        *_told(),
        *_counts(),
    ]


def _told() -> list[tuple[type[models.Model], dict[str, str], str]]:
    """Three hundred endpoints, of which one was told as much as thirty others, and mails."""
    state, which = "CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'delivered' END", "CASE WHEN n %% 10 = 0 THEN 0 ELSE 1 + n %% 299 END"
    return [
        (
            Endpoint,
            {
                "public_id": "'we_' || n", "name": "'endpoint ' || n", "url": "'https://example.com/' || n", "sealed_secret": "''",
                "event_types": """'["video.completed", "task.failed"]'""", "key_id": "%(first_key)s + n %% %(keys)s",
                "failing_since": "CASE WHEN n %% 20 = 1 THEN %(now)s END",
            },
            "generate_series(1, 300) AS n",
        ),
        (
            Message,
            {"id": "'evt_' || id", "type": "'task.completed'", "source": "'tasks'", "task_id": "id", "happened_at": "ended_at"},
            f"{_TASKS} WHERE ended_at IS NOT NULL AND n > (1 - {TOLD_OF}) * %(tasks)s",
        ),
        (
            Delivery,
            {
                "message_id": "id", "endpoint_id": f"(SELECT min(id) FROM notifications_endpoint) + {which}",
                "target": f"'we_' || 1 + {which}", "task_id": "task_id", "state": state, "attempts": "1", "ended_at": "happened_at",
            },
            "(SELECT *, row_number() OVER (ORDER BY happened_at) AS n FROM notifications_message) AS message",
        ),
        (
            Try,
            {"delivery_id": "id", "began_at": "ended_at", "milliseconds": "120", "status_code": "204", "head": "'fine'"},
            "notifications_delivery",
        ),
        (
            Mail,
            {
                "to": "'ops@example.com'", "subject": "'Mail ' || n", "body": "'It is so.'", "state": "'delivered'",
                "ended_at": "%(now)s",
            },
            f"generate_series(1, {MAILS}) AS n",
        ),
    ]  # fmt: skip


# ---- What ticks would have counted of them -------------------------------------------------------------------------------

# Somewhat more of each length than a page shows; of money a year.
_STEPS, _STEPS_OF_MONEY = (
    f"""(
    SELECT step, to_timestamp(floor(extract(epoch FROM %(now)s) / step) * step) - make_interval(secs => step * s) AS starts_at
    FROM (VALUES (60, 100), (600, 180), (21600, {longest})) AS kept (step, times), LATERAL generate_series(0, times - 1) AS s
) AS steps"""
    for longest in (240, 1_500)
)
_STEPPED = {"step": "step", "starts_at": "starts_at"}
_MODELS = "unnest(ARRAY['minimax-video', 'video-01', 'hailuo-02']) AS model"
_UPSTREAMS = "unnest(ARRAY['video-01', 'MiniMax-Hailuo-02']) AS upstream"
_HAPPENED = """(VALUES ('queued', ''), ('processing', ''), ('completed', ''), ('cancelled', ''), ('failed', 'provider_error'),
    ('failed', 'content_policy_violation')) AS happened (status, code)"""
_TOLD = "unnest(ARRAY['create', 'query', 'retrieve', 'download']) AS call, (VALUES ('fine', 0), ('rate', 1002)) AS told (answer, code)"
_DAYS = "generate_series(0, 366) AS d"
_MONTHS = "generate_series(date_trunc('month', %(now)s) - interval '12 months', %(now)s, interval '1 month') AS month"
_OWNERS = "generate_series(0, %(keys)s - 1) AS k, unnest(ARRAY['minimax-video', 'video-01']) AS model"
_OWNED = {"key_id": "%(first_key)s + k", "team_id": "CASE WHEN k %% 5 = 0 THEN %(team)s ELSE 0 END", "model": "model"}
_DAY = {"day": "(%(now)s - make_interval(days => d))::date"}
_MONTH = {"month": "month::date"}
_MONEY = {"tasks": "20", "held": "4", "charged": "4"}
_BILL = {"jobs": "20", "billed": "3.8"}


def _counts() -> list[tuple[type[models.Model], dict[str, str], str]]:
    """Counts of all steps, as many as a busy place has: their sums are nobody's business here."""
    stepped: list[tuple[type[models.Model], dict[str, str], str]] = [
        (TaskCount, {"status": "status", "model": "model", "error_code": "code", "count": "20"}, f"{_MODELS}, {_HAPPENED}"),
        (
            TaskTime,
            {"what": "what", "model": "model", "bucket": "bucket", "count": "2"},
            f"{_MODELS}, unnest(ARRAY['queued', 'done']) AS what, generate_series(10, 25) AS bucket",
        ),
        (CallCount, {"upstream": "upstream", "call": "call", "answer": "answer", "code": "code", "count": "3"}, f"{_UPSTREAMS}, {_TOLD}"),
        (CallTime, {"upstream": "upstream", "bucket": "bucket", "count": "3"}, f"{_UPSTREAMS}, generate_series(-12, -5) AS bucket"),
        (MakingTime, {"upstream": "upstream", "bucket": "bucket", "count": "3"}, f"{_UPSTREAMS}, generate_series(18, 30) AS bucket"),
    ]
    return [
        *((model, _STEPPED | columns, f"{_STEPS}, {source}") for model, columns, source in stepped),
        (MoneyCount, _STEPPED | {"model": "model"} | _MONEY, f"{_STEPS_OF_MONEY}, {_MODELS}"),
        (MoneyOfDay, _DAY | _OWNED | _MONEY, f"{_DAYS}, {_OWNERS}"),
        (MoneyOfMonth, _MONTH | _OWNED | _MONEY, f"{_MONTHS}, {_OWNERS}"),
        (BilledCount, _STEPPED | {"upstream": "upstream"} | _BILL, f"{_STEPS_OF_MONEY}, {_UPSTREAMS}"),
        (BilledOfModel, _DAY | {"model": "model", "upstream": "upstream"} | _BILL, f"{_DAYS}, {_MODELS}, {_UPSTREAMS}"),
        (BilledOfDay, _DAY | _OWNED | {"upstream": "'video-01'"} | _BILL, f"{_DAYS}, {_OWNERS}"),
        (BilledOfMonth, _MONTH | _OWNED | {"upstream": "'video-01'"} | _BILL, f"{_MONTHS}, {_OWNERS}"),
    ]
