"""How PostgreSQL answers what is asked of it: no page may read a whole table, however many rows it gets."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models import Task
from tests.support.many import ROLL_UPS
from videos.models import Clip, ClipState

# Rows that one query of a page reads at most, and tables that are so small that reading all of them is the quickest way.
READ_MAX, SMALL = 5_500, 2_000
# Of counts more may be read: how many there are of a span depends on its steps, keys and models, and not on how much happened in them.
# The most are those of a part of a month by key: days, five hundred keys, two models.
COUNTS_READ_MAX = 32_000
_COUNTS = frozenset(table._meta.db_table for table in ROLL_UPS)
# What is under way may be read whole, through an index that holds nothing else: workers, limits and budgets bound how many tasks
# that are, and those that have ended, a hundred times as many or ten thousand times, are not touched. A count of them that is kept
# would have to be written in the transactions of creates and steps; an index that alone could answer would hold stages, and each
# step would write to it.
_UNDER_WAY = frozenset({"task_under_way", "task_in_flight", "task_due_in_lane", "task_paused"})
# So may the jobs at MiniMax, which the limits of its accounts bound.
_AT_MINIMAX = frozenset({"clip_outlived"})


def plan_problems(ask: Callable[[], object], *, most: int = READ_MAX) -> list[str]:
    """What is wrong with how the database answers the queries of `ask`: one that reads all of a large table, or more than `most` rows.

    Of the tasks that are under way, and of the jobs at MiniMax, each may be read beside that, once.
    """
    with CaptureQueriesContext(connection) as asked:
        ask()
    beside = {_UNDER_WAY: Task.objects.active().count(), _AT_MINIMAX: Clip.objects.filter(state=ClipState.SUBMITTED).count()}
    return [problem for query in asked for problem in _problems(query["sql"], most, beside)]


def _problems(sql: str, most: int, beside: dict[frozenset[str], int]) -> Iterator[str]:
    if not sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
        return
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql.replace('%', '%%')}")
        plan = cursor.fetchone()[0][0]["Plan"]
    scans = list(_scans(plan))
    whole = [scan for scan in scans if scan["Node Type"] == "Seq Scan" and scan["Relation Name"] not in _COUNTS]
    large = [scan["Relation Name"] for scan in whole if _rows_read(scan) > SMALL]
    if large:
        yield f"reads all of {large}: {sql}"
    bound = max(most, COUNTS_READ_MAX) if any(scan.get("Relation Name") in _COUNTS for scan in scans) else most
    read = sum(map(_rows_read, scans))
    for indexes, count in beside.items():
        read -= min(sum(_rows_read(scan) for scan in scans if _is_through(scan, indexes)), count)
    if read > bound:
        yield f"reads {read} rows: {sql}"


def _is_through(scan: dict[str, Any], indexes: frozenset[str]) -> bool:
    """Whether it goes through these indexes and no other."""
    return indexes.issuperset([part["Index Name"] for part in _bitmaps(scan)] or [scan.get("Index Name")])


def _rows_read(scan: dict[str, Any]) -> int:
    """Through a bitmap those that its indexes name, or those of the table when they are more."""
    read = int((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"])
    return max(read, sum(map(_rows_read, _bitmaps(scan))))


def _bitmaps(scan: dict[str, Any]) -> list[dict[str, Any]]:
    return list(_scans({"Plans": scan["Plans"]})) if scan["Node Type"] == "Bitmap Heap Scan" else []


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each reading of a table or of an index; the bitmaps of one belong to it."""
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    if plan.get("Node Type") != "Bitmap Heap Scan":
        for part in plan.get("Plans", ()):
            yield from _scans(part)
