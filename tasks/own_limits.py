"""Tasks beyond the number that their key may have in flight, where its `over_limit` says that they wait.

Such a task is not due until it is let go: once a second the oldest of each key go on, as many as others of the key have ended. It
reads what is true now, so nothing has to be done where a task ends or is cancelled, or a limit is changed.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, Max

from keys.models import VirtualKey
from tasks import publishing
from tasks.models import OWN_LIMIT, Task
from tasks.progress import NOT_KNOWN

# Tasks of a key, and keys, that one look lets go at most: the rest a second later.
GO_ON_LIMIT, KEYS_MAX = 200, 200


def hold_back(task: Task, *, before: int) -> None:
    """Have a new task, which is not written yet, wait behind so many others of its key."""
    task.waits_for, task.queue_position = OWN_LIMIT, before + 1
    task.next_step_at = NOT_KNOWN
    task.leg_seconds = _wait(task, task.key.tasks_in_flight)


def go_on(now: datetime) -> None:
    """Let those go on for which there is room, and have the others know their place."""
    held = Task.objects.over_limit().order_by()
    groups = list(held.values_list("key").annotate(Count("pk"), Max("queue_position"))[:KEYS_MAX])
    if not groups:
        return
    keys = VirtualKey.objects.in_bulk([key_id for key_id, _, _ in groups])
    in_flight = _in_flight(keys)
    for key_id, waiting, last in groups:
        room = _room(keys[key_id], in_flight[key_id])
        if room is None or room > 0:
            _let_go(key_id, now)
        elif waiting != last:  # one was cancelled
            _number(key_id, now)


def _in_flight(key_ids: Collection[int]) -> dict[int, int]:
    counted = Task.objects.in_flight().filter(key__in=key_ids).order_by().values_list("key").annotate(Count("pk"))
    return defaultdict(int, counted)


def _room(key: VirtualKey, in_flight: int) -> int | None:
    """How many more the key may have in flight; None: any number."""
    return None if key.tasks_in_flight is None else key.tasks_in_flight - in_flight


def _let_go(key_id: int, now: datetime) -> None:
    with transaction.atomic():
        # A create with this key, or another look that lets go, counts while nobody else does.
        found = VirtualKey.objects.filter(pk=key_id)
        if connection.features.has_select_for_update:
            found = found.select_for_update(no_key=True)
        key = found.get()
        room = _room(key, _in_flight([key_id])[key_id])
        count = GO_ON_LIMIT if room is None else min(room, GO_ON_LIMIT)
        held = Task.objects.over_limit().filter(key=key_id).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            # A transaction that ends one has its row, and waits for the key.
            held = held.select_for_update(skip_locked=True, no_key=True)
        for task in held[: max(0, count)]:
            # Our limits of time count from here.
            gone = {"waits_for": "", "queue_position": None, "leg_started_at": now, "leg_seconds": 1.0}
            written = {**gone, "next_step_at": now, "paused_for": now - task.created_at, "stage_since": now, "updated_at": now}
            if Task.objects.over_limit().filter(pk=task.pk).update(**written):
                publishing.tell_stage_on_commit(task, gone)
    _number(key_id, now)


def _number(key_id: int, now: datetime) -> None:
    """Write the places of a key's tasks where they are others by now."""
    key = VirtualKey.objects.get(pk=key_id)
    held = Task.objects.over_limit().filter(key=key_id).order_by("pk").only("queue_position", "rest_seconds")
    moved = [(place, task) for place, task in enumerate(held, 1) if place != task.queue_position]
    for place, task in moved:
        task.queue_position, task.leg_started_at, task.updated_at = place, now, now
        task.leg_seconds = _wait(task, key.tasks_in_flight)
    _write([task for _, task in moved])


def _write(tasks: Sequence[Task]) -> None:
    """Those that still wait: each row by a statement of its own, which are sent together."""
    table = Task._meta.db_table
    sql = f"UPDATE {table} SET queue_position = %s, leg_started_at = %s, leg_seconds = %s, updated_at = %s WHERE id = %s AND waits_for = %s"  # noqa: S608 - ours
    moment, ident = connection.ops.adapt_datetimefield_value, Task._meta.pk.get_db_prep_value
    rows = [
        (task.queue_position, moment(task.leg_started_at), task.leg_seconds, moment(task.updated_at), ident(task.pk, connection), OWN_LIMIT)
        for task in tasks
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)


def _wait(task: Task, at_once: int | None) -> float:
    """Seconds until it is let go, if the key's others take as long as it will."""
    return (task.queue_position or 1) / max(1, at_once or 1) * task.rest_seconds
