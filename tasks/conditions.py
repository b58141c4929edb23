"""What can be wrong with the lanes that do the tasks' steps."""

from django.db.models import Count

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.processes import nobody_of
from conduit.conditions.registry import Findings
from tasks.models import Lane, Task
from tasks.pauses import PAUSED

# A step is found within a second where there is room, and again after half a minute when the worker that claimed it died.
LATE_SECONDS = 60


def _late_steps() -> Findings:
    late = Task.objects.late(clock.now(), seconds=LATE_SECONDS)
    counts = late.order_by().values_list("lane").annotate(Count("pk"))
    return {lane: f"{count} step{'s' if count > 1 else ''} late." for lane, count in counts}


def _nobody_in(lane: Lane, *, process: str, so: str) -> Condition:
    """`process`: its name in the Procfile; `so`: what comes of it."""
    return Condition(
        name=f"{lane}_workers",
        severity=Severity.UNAVAILABLE,
        says=f"No {lane} worker is at work: {so}.",
        found_by="Each says every 5 seconds that it is at work; none was heard for 30.",
        what_to_do=f"Start the Procfile's `{process}`, and see its log when it runs already.",
        look=nobody_of(lane),
    )


CONDITIONS = (
    _nobody_in(Lane.PROVIDER, process="worker", so="no call to MiniMax is made"),
    _nobody_in(Lane.MEDIA, process="media", so="no video is assembled and stored"),
    PAUSED,
    Condition(
        name="late_steps",
        severity=Severity.DEGRADED,
        says="Steps of tasks are done late.",
        found_by=f"They have been due for more than {LATE_SECONDS} seconds, and no worker of their lane has taken them.",
        what_to_do="See that the lane's workers are at work and reach the database; when they are all busy, start more of them "
        "(WORKER_THREADS, MEDIA_PROCESSES).",
        look=_late_steps,
    ),
)
