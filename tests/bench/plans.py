"""`python -m tests.bench.plans`: how PostgreSQL answers what workers, upkeep and callers ask again and again, at a million tasks.

Each is done once, and each of its reading statements explained as it ran: the indexes it used, the rows it read, its milliseconds. Tables
of which all is read are named in capitals.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.bench.console import _fill, _prepared

if TYPE_CHECKING:
    from tests.support.many import Many


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.plans", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000, help="how many there are (default: 1,000,000)")
    wanted = parser.parse_args()
    slow = 0
    with _prepared():
        many = _fill(wanted.tasks)
        for name, ask in _hot(many).items():
            plans = list(_plans(ask))
            milliseconds, read = sum(plan["ms"] for plan in plans), sum(plan["read"] for plan in plans)
            used = sorted({index for plan in plans for index in plan["by"]})
            print(f"{name:<44} {len(plans):>3} statements {milliseconds:>8.1f} ms {read:>8} rows  {', '.join(used)}", flush=True)
            slow += milliseconds > 300
        _sizes(wanted.tasks)
    return 1 if slow else 0


def _hot(many: "Many") -> dict[str, Callable[[], object]]:
    from django.test import Client

    from conduit import clock
    from conduit.conditions.looking import look
    from conduit.metrics import place
    from conduit.rollups.jobs import roll_up
    from keys.models import VirtualKey
    from keys.services import rotate_key
    from tasks import deadlines, due, leases, retention, telling
    from tasks.models import Lane
    from videos import jobs
    from videos.asking import rows

    now = clock.now()
    key = VirtualKey.objects.get(pk=many.first_key)
    secret = rotate_key(key, who="bench")
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {"model": "minimax-video", "prompt": "a cat"}
    some = many.running
    return {
        **{f"claim due steps of {lane}": lambda lane=lane: leases.claim_due(now, lane=lane, limit=16) for lane in Lane.values},
        "when the next step of a lane is due": lambda: due.soonest(Lane.PROVIDER, now),
        "claim 200 questions": lambda: rows.claim(limit=200, busy_accounts=()),
        "end tasks past their deadline": lambda: deadlines.end_due(now),
        "read a task": lambda: client.get(f"/v1/tasks/{some}"),
        "list the newest tasks": lambda: client.get("/v1/tasks"),
        "list those that failed": lambda: client.get("/v1/tasks?status=failed"),
        "create a task": lambda: client.post("/v1/video/generations", body, content_type="application/json"),
        "what a key used": lambda: client.get("/v1/usage"),
        "looks of conditions": look,
        "figures for Prometheus": lambda: list(place._read()),
        "count what is new": roll_up,
        "tell what happened": lambda: telling.take(100),
        "forget old events": lambda: retention.forget_old_events(now - timedelta(days=1)),
        "forget old exchanges": jobs.forget_old_exchanges,
        "delete what was kept long enough": jobs.forget_old_media,
        "follow jobs that nobody waits for": jobs.follow_jobs,
        "sweep what was left over": jobs.sweep,
    }


def _plans(ask: Callable[[], object]) -> Iterator[dict[str, Any]]:
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        ask()
        transaction.set_rollback(True)
    for query in asked:
        sql = query["sql"]
        if not sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql.replace('%', '%%')}")
            explained = cursor.fetchone()[0][0]
            transaction.set_rollback(True)
        scans = list(_scans(explained["Plan"]))
        read = sum(int((one["Actual Rows"] + one.get("Rows Removed by Filter", 0)) * one["Actual Loops"]) for one in scans)
        by = [
            one.get("Index Name") or one["Relation Name"].upper() for one in scans if "Index Name" in one or one["Node Type"] == "Seq Scan"
        ]
        yield {"ms": explained["Execution Time"], "read": read, "by": by}


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def _sizes(tasks: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname::text, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 12"
        )
        print(f"\nOf {tasks:,} tasks, MB with indexes:")
        for name, size in cursor.fetchall():
            print(f"  {name:<32} {size / 1e6:>8.0f}")


if __name__ == "__main__":
    sys.exit(main())
