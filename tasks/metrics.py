"""What is told of tasks and their lanes (conduit.metrics)."""

from collections import Counter
from collections.abc import Iterator, Sequence

from django.db.models import Count as Counted

from conduit import clock
from conduit.metrics import Count, Gauge, Reading, Sample, Times
from conduit.metrics.totals import Totals
from tasks.conditions import LATE_SECONDS
from tasks.models import Lane, Status, Task, TaskEvent
from tasks.workload import workload

CREATED = Count("conduit_tasks_created_total", "Tasks that were created.", ("model",))
ENDED = Count("conduit_tasks_ended_total", "Tasks that ended, by how, and why where they were not completed.", ("model", "status", "cause"))
QUEUED_FOR = Times("conduit_task_queued_seconds", "From a task's creation until the provider took up the work.", ("model",))
DONE_IN = Times("conduit_task_done_seconds", "From a task's creation until it was completed.", ("model",))
LEASES_LOST = Count("conduit_leases_lost_total", "Steps whose outcome no longer counted: the task was ended or taken over.", ("lane",))

TASKS = Gauge("conduit_tasks", "Tasks that have not ended.", ("status",))
WAITING = Gauge("conduit_tasks_waiting", "Tasks that wait for something, by what for.", ("waiting_for",))
HELD = Gauge("conduit_money_held_usd", "What tasks that have not ended reserve.")
DUE = Gauge("conduit_lane_due_steps", "Steps of a lane that are due and that nobody has taken.", ("lane",))
LATE = Gauge("conduit_lane_late_steps", f"Those of them that have been due for more than {LATE_SECONDS} seconds.", ("lane",))
OLDEST = Gauge("conduit_lane_oldest_due_seconds", "For how long the first of them has been due.", ("lane",))
AT_WORK = Gauge("conduit_lane_steps_at_work", "Steps of a lane that a worker has taken.", ("lane",))

COUNTED = (CREATED, ENDED, QUEUED_FOR, DONE_IN, LEASES_LOST)


def total(events: Sequence[TaskEvent]) -> None:
    """Add events that nobody has counted yet."""
    totals = Totals()
    for event in events:
        task, status = event.task, Status(event.status)
        seconds = (event.created_at - task.created_at).total_seconds()
        match status:
            case Status.QUEUED:
                totals.add(CREATED, task.model)
            case Status.PROCESSING:
                totals.add_seconds(QUEUED_FOR, task.model, seconds=seconds)
            case _:
                totals.add(ENDED, task.model, status, task.error_code)
        if status == Status.COMPLETED:
            totals.add_seconds(DONE_IN, task.model, seconds=seconds)
    totals.write()


def _read() -> Iterator[Sample]:
    now = clock.now()
    found = workload(now)
    yield TASKS.of(Status.QUEUED, value=found.queued)
    yield TASKS.of(Status.PROCESSING, value=found.processing)
    yield HELD.of(value=float(found.held))
    waiting: Counter[str] = Counter()
    for stage in found.waiting:
        waiting[stage.waiting_for or ""] += stage.count
    yield from (WAITING.of(waiting_for, value=count) for waiting_for, count in waiting.items())
    late = dict(Task.objects.late(now, seconds=LATE_SECONDS).order_by().values_list("lane").annotate(Counted("pk")))
    for lane in found.lanes:
        yield DUE.of(lane.lane, value=lane.waiting)
        yield OLDEST.of(lane.lane, value=lane.late_seconds)
        yield AT_WORK.of(lane.lane, value=lane.at_work)
    yield from (LATE.of(lane, value=late.get(lane, 0)) for lane in Lane.values)


STANDING = Reading("tasks", (TASKS, WAITING, HELD, DUE, LATE, OLDEST, AT_WORK), _read)
