"""What `keys` is told of tasks: their status for its usage reports, and how many are in flight."""

from django.db.models import OuterRef, Subquery

from keys.models import VirtualKey
from keys.work import Work
from tasks.models import Task


def status_of() -> Subquery:
    return Subquery(Task.objects.filter(pk=OuterRef("task_id")).values("status"))


def in_flight(key: VirtualKey) -> int:
    return Task.objects.filter(key=key).active().count()


WORK = Work(status_of=status_of, in_flight=in_flight)
