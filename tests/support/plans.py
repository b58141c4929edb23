"""How PostgreSQL answers what is asked of it: no page may read a whole table, however many rows it gets."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.many import ROLL_UPS

# Rows that one query of a page reads at most, and tables that are so small that reading all of them is the quickest way.
READ_MAX, SMALL = 5_500, 2_000
# Of counts more may be read: how many there are of a span depends on its steps, and not on how much happened in them.
COUNTS_READ_MAX = 25_000
_COUNTS = frozenset(table._meta.db_table for table in ROLL_UPS)


def plan_problems(ask: Callable[[], object], *, most: int = READ_MAX) -> list[str]:
    """What is wrong with how the database answers the queries of `ask`: one that reads all of a large table, or more than `most` rows."""
    with CaptureQueriesContext(connection) as asked:
        ask()
    return [problem for query in asked for problem in _problems(query["sql"], most)]


def _problems(sql: str, most: int) -> Iterator[str]:
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
    if (read := sum(map(_rows_read, scans))) > bound:
        yield f"reads {read} rows: {sql}"


def _rows_read(scan: dict[str, Any]) -> int:
    return int((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"])


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)
