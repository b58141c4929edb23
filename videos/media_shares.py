"""Whose files are worked on next, and what those that wait are told: by the same fair shares as creates (tasks.shares).

The line are the steps that are due in the media lane: as many are claimed as there is room for, so that none waits anywhere else.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from conduit import clock
from tasks import due, progress, shares
from tasks.models import ACTIVE, MEDIA, Lane, Status, Task, TaskQuerySet
from tasks.progress import Legs
from tasks.shares import Tree, Waiting
from videos.models import Video
from videos.stages import Stage

LINE = "media"
# Looking into a clip takes a second or two, however long it is, and more is bought only after it.
LOOKS = (Stage.DOWNLOADING, Stage.GENERATING, Stage.PREPARING, Stage.WAITING_AT_PROVIDER)
LOOK_PRICE = shares.LEAST_PRICE
# Ended lately, by which the time that one takes is told; and how long one takes until any tells, in seconds.
LATELY, USUAL_SECONDS = 10, 5.0
# What is told is off by so many seconds, or that share, before it is told anew.
_OFF_SECONDS, _OFF = 2.0, 0.1
# Told by one survey at most.
TOLD_MOST = 1000


class Stands(NamedTuple):
    """One that waits, with what its task shows."""

    task_id: UUID
    key_id: int
    team_id: int | None
    seconds: int
    status: str
    stage: str
    waits_for: str
    queue_position: int | None
    progress: int
    leg_goal: int
    leg_started_at: datetime
    leg_seconds: float
    rest_seconds: float

    @property
    def price(self) -> float:
        return LOOK_PRICE if self.stage in LOOKS else float(self.seconds)


_COLUMNS = ("pk", "key_id", "team_id", "video__duration", *Stands._fields[4:])


def choose(waiting: TaskQuerySet, limit: int) -> Sequence[UUID]:
    """Those of the steps that are due whose turn it is (tasks.due.Choose)."""
    if waiting.order_by()[: limit + 1].count() <= limit:
        return due.longest_waiting(waiting, limit)
    if not shares.lock(LINE):
        return []  # somebody else chooses at this moment
    place = Window(RowNumber(), partition_by=F("key_id"), order_by="next_step_at")
    heads = [Stands(*row) for row in waiting.annotate(place=place).filter(place__lte=limit).order_by("next_step_at").values_list(*_COLUMNS)]
    tree = _tree(heads)
    chosen = [one.subject.task_id for one in islice(tree.all(), limit)]
    free = set(due.free_of(waiting.filter(pk__in=chosen)).values_list("pk", flat=True))
    shares.write(LINE, tree.changed)
    return [task_id for task_id in chosen if task_id in free]


def _tree(rows: Sequence[Stands]) -> Tree[Stands]:
    flows = shares.flows({(row.key_id, row.team_id) for row in rows})
    return Tree(shares.read(LINE), (Waiting(row, flows[row.key_id], row.price, number) for number, row in enumerate(rows)))


def survey(now: datetime | None = None) -> int:
    """Tell those that wait where they stand, and how long it takes; how many they are."""
    now = now or clock.now()
    waiting = Task.objects.due(now, Lane.MEDIA)
    rows = [Stands(*row) for row in waiting.order_by("next_step_at").values_list(*_COLUMNS)]
    if not rows:
        shares.forget(LINE)
        return 0
    at_work = Task.objects.active().filter(lane=Lane.MEDIA, attempts__gt=0, lease_until__gt=now).count()
    each = _usual_seconds() / max(1, at_work)
    # A task that finds a free worker is not told that it waits.
    changes = [
        change
        for place, one in enumerate(_tree(rows).all(), 1)
        if (place > 1 or at_work) and (change := _change(one.subject, place, place * each, now))
    ]
    if changes:
        sets = "waits_for = %s, queue_position = %s, progress = %s, leg_goal = %s, leg_started_at = %s, leg_seconds = %s, rest_seconds = %s"
        still = f"lane = '{Lane.MEDIA}' AND status IN ({', '.join(repr(str(status)) for status in ACTIVE)})"
        still += " AND (lease_until IS NULL OR lease_until < %s)"
        sql = f"UPDATE {Task._meta.db_table} SET {sets}, updated_at = %s WHERE id = %s AND {still}"  # noqa: S608 - our own words
        with connection.cursor() as cursor:
            for values in changes[:TOLD_MOST]:
                cursor.execute(sql, values)
    return len(rows)


def _usual_seconds() -> float:
    """How long one took lately, from the beginning of its run to the end of the task."""
    lately: QuerySet[Any] = Video.objects.filter(task__status=Status.COMPLETED, assembling_at__isnull=False).order_by("-task")
    took = [(ended - began).total_seconds() for began, ended in lately.values_list("assembling_at", "task__ended_at")[:LATELY]]
    return sum(took) / len(took) if took else USUAL_SECONDS


def _change(row: Stands, place: int, seconds: float, now: datetime) -> list[Any] | None:
    """The values of the statement that tells it; None when what is told is near enough."""
    is_told = row.waits_for == MEDIA
    shown = min(place, row.queue_position) if is_told and row.queue_position else place
    left = (row.leg_started_at - now).total_seconds() + row.leg_seconds
    if is_told and shown == row.queue_position and abs(seconds - left) <= max(_OFF_SECONDS, _OFF * seconds):
        return None
    legs = Legs(row.status, row.progress, row.leg_goal, row.leg_started_at, row.leg_seconds, row.rest_seconds)
    reached = progress.read(legs, now).progress
    # The work itself comes after the wait: what its leg was to take is what is left then.
    rest = row.rest_seconds if is_told else row.leg_seconds + row.rest_seconds
    moment = connection.ops.adapt_datetimefield_value(now)
    return [MEDIA, shown, reached, reached, moment, seconds, rest, moment, Task._meta.pk.get_db_prep_value(row.task_id, connection), moment]
