"""Who may try a delivery: leases of rows that are due, a few at a time for each receiver.

A receiver that answers nothing for ten seconds keeps as many connections busy as it may have, and nobody else's. One that fails has a
single one, until it answers well again; and all that fail together have no more than a share of a sender's, however many they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from tasks.notifications import locks
from tasks.notifications.models import Delivery, Endpoint, FailingHost

# Connections to one receiver at once: to one that answers well, and to one that fails.
CONNECTIONS, CONNECTIONS_FAILING = 4, 1
_D, _E, _H = Delivery._meta.db_table, Endpoint._meta.db_table, FailingHost._meta.db_table
# Each receiver that has anything pending, found by hopping through the index; of each as many as it has free connections, the longest
# due first, and of a task only the first that is left. The backlog of one receiver is not read for another.
_DUE = f"""
WITH RECURSIVE targets(target) AS (
    (SELECT target FROM {_D} WHERE state = 'pending' ORDER BY target LIMIT 1)
    UNION ALL
    SELECT (SELECT n.target FROM {_D} n WHERE n.state = 'pending' AND n.target > t.target ORDER BY n.target LIMIT 1)
    FROM targets t WHERE t.target IS NOT NULL
)
SELECT id, fails FROM (
    SELECT due.id, due.next_try_at, r.fails, row_number() OVER (PARTITION BY r.fails ORDER BY due.next_try_at, due.id) AS place
    FROM targets t LEFT JOIN {_E} e ON e.public_id = t.target LEFT JOIN {_H} h ON h.target = t.target
    CROSS JOIN LATERAL (SELECT coalesce(e.failing_since, h.failing_since) IS NOT NULL AS fails) r
    CROSS JOIN LATERAL (
        SELECT d.id, d.next_try_at FROM {_D} d
        WHERE d.target = t.target AND d.state = 'pending' AND d.next_try_at <= %(now)s
        AND (d.lease_until IS NULL OR d.lease_until <= %(now)s)
        AND NOT EXISTS (
            SELECT 1 FROM {_D} b WHERE b.target = d.target AND b.task_id = d.task_id AND b.id < d.id AND b.state = 'pending'
        )
        ORDER BY d.next_try_at, d.id
        LIMIT greatest(0, CASE WHEN r.fails THEN {CONNECTIONS_FAILING} ELSE {CONNECTIONS} END - (
            SELECT count(*) FROM {_D} l WHERE l.target = t.target AND l.state = 'pending' AND l.lease_until > %(now)s
        ))
    ) due
    WHERE t.target IS NOT NULL
) found
WHERE NOT fails OR place <= %(failing)s
ORDER BY next_try_at, id LIMIT %(limit)s
"""  # noqa: S608 - our own tables


@dataclass(frozen=True)
class Claim:
    """A delivery that this process alone tries, until the lease lapses."""

    delivery: Delivery
    token: UUID
    is_knock: bool = False  # out of turn, to find out whether a receiver is back (notifications.knocking)
    fails: bool = False  # its receiver did when this was claimed


def claim(now: datetime, limit: int, *, failing: int | None = None) -> list[Claim]:
    """The deliveries whose turn it is, so many at most, with their messages and endpoints; for receivers that fail no more than
    `failing`."""
    token = uuid4()
    with transaction.atomic():
        # Two processes that count a receiver's connections at once would both fill them.
        locks.take(locks.CLAIM)
        chosen = _due(now, limit, limit if failing is None else max(0, failing))
        if chosen:
            mine = Delivery.objects.pending().unleased(now).filter(pk__in=chosen)
            mine.update(lease_token=token, lease_until=now + timedelta(seconds=settings.LEASE_SECONDS))
    if not chosen:
        return []
    rows = Delivery.objects.filter(pk__in=chosen, lease_token=token).select_related("message", "endpoint").order_by("next_try_at", "pk")
    return [Claim(row, token, fails=chosen[row.pk]) for row in rows]


def _due(now: datetime, limit: int, failing: int) -> Mapping[int, bool]:
    """Their ids, and whether their receivers fail."""
    if connection.vendor != "postgresql":
        return _due_one_by_one(now, limit, failing)
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now, "limit": limit, "failing": failing})
        return dict(cursor.fetchall())


def _due_one_by_one(now: datetime, limit: int, failing: int) -> Mapping[int, bool]:
    """The same with a query for each receiver, for SQLite, which is asked for a few."""
    due = Delivery.objects.pending().unleased(now).filter(~Exists(_earlier()), next_try_at__lte=now)
    ill = set(Endpoint.objects.exclude(failing_since=None).values_list("public_id", flat=True))
    ill |= set(FailingHost.objects.values_list("pk", flat=True))
    found: dict[bool, list[tuple[Any, int]]] = {True: [], False: []}
    for target in due.order_by("target").values_list("target", flat=True).distinct():
        under_way = Delivery.objects.pending().filter(target=target, lease_until__gt=now).count()
        free = (CONNECTIONS_FAILING if target in ill else CONNECTIONS) - under_way
        rows = due.filter(target=target).order_by("next_try_at", "pk").values_list("next_try_at", "pk")
        found[target in ill] += rows[: max(0, free)]
    chosen = [(*row, False) for row in found[False]] + [(*row, True) for row in sorted(found[True])[:failing]]
    return {pk: fails for _, pk, fails in sorted(chosen)[:limit]}


def oldest_due(now: datetime) -> datetime | None:
    """Since when the delivery has been due that is due longest, of those that nothing but us keeps waiting."""
    well = Q(endpoint__failing_since=None) & ~Exists(FailingHost.objects.filter(pk=OuterRef("target")))
    due = Delivery.objects.pending().unleased(now).filter(~Exists(_earlier()), well)
    return due.filter(next_try_at__lte=now, attempts=0).order_by("next_try_at").values_list("next_try_at", flat=True).first()


def _earlier() -> QuerySet[Delivery]:
    """Those that a delivery of the same task waits for."""
    return Delivery.objects.pending().filter(target=OuterRef("target"), task_id=OuterRef("task_id"), pk__lt=OuterRef("pk"))
