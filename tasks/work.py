"""What `keys` is told of tasks: their status for its usage reports, how many are in flight, and what contradicts the ledger."""

from collections.abc import Collection

from django.db.models import Count, OuterRef, Subquery

from keys.models import VirtualKey
from keys.work import Work
from tasks.models import Task
from tasks.reconciliation import discrepancies


def status_of() -> Subquery:
    return Subquery(Task.objects.filter(pk=OuterRef("task_id")).values("status"))


def in_flight(key: VirtualKey) -> int:
    return Task.objects.filter(key=key).in_flight().count()


def in_flight_of(column: str, ids: Collection[int]) -> dict[int, int]:
    found = Task.objects.filter(**{f"{column}__in": ids}).in_flight().order_by()
    return dict(found.values_list(column).annotate(Count("pk")))


WORK = Work(status_of=status_of, in_flight=in_flight, in_flight_of=in_flight_of, discrepancies=discrepancies)
