"""Standing in line for a create, and leaving the line."""

from datetime import datetime, timedelta

import structlog

from conduit import clock
from tasks.models import FAIR_SHARE, RATE, Status
from tasks.written import ProgressFields
from videos import failures
from videos.accounts import dealing
from videos.engine.step import Step
from videos.engine.written import ClipFields
from videos.models import Clip
from videos.queue_models import IN_LINE, QueuedCreate
from videos.stages import Stage

log = structlog.get_logger(__name__)

# A task in line is called; should all dealers be gone, it looks for itself now and then.
LOOKS_AFTER = timedelta(minutes=15)


def place_of(step: Step) -> QueuedCreate | None:
    """Its place in the line, if it stands there. No query for those that do not."""
    return QueuedCreate.objects.filter(pk=step.task.pk).first() if step.task.waits_for in IN_LINE else None


def stand(
    step: Step, clip: Clip, *, unsent: ClipFields | None = None, had_turn: bool = False, last_error_code: str = "", deals: bool = True
) -> None:
    """Stand in line. `unsent` is written to the clip; `had_turn`: it was its turn, and what came of it was not its doing; `deals`: an
    account may have room, so that it or another is called at once.
    """
    now, task = clock.now(), step.task
    others = QueuedCreate.objects.waiting().filter(api=clip.api).exclude(pk=task.pk)
    is_next = had_turn or not others.exists()
    row = QueuedCreate(
        task=task,
        key_id=task.key_id,
        team_id=task.team_id,
        api=clip.api,
        model=task.model,
        upstream=clip.upstream,
        roles=",".join(sorted(clip.roles)),
        seconds=clip.seconds,
        expected_seconds=clip.expected_seconds,
        is_begun=task.status == Status.PROCESSING,
        had_turn=had_turn,
        joined_at=now,
    )
    names = [field.attname for field in QueuedCreate._meta.concrete_fields if not field.primary_key]

    def write() -> None:
        step.write(clip=unsent, last_error_code=last_error_code, next_step_at=_looks_again(step, now), **_shown(step, is_next=is_next))
        QueuedCreate.objects.bulk_create([row], update_conflicts=True, unique_fields=["task"], update_fields=names)

    step.lease.insist(write)
    log.info("clip stands in line", clip=clip.number, again=had_turn)
    if deals:
        dealing.deal()


def goes_on(step: Step, clip: Clip, *, unsent: ClipFields, last_error_code: str = "") -> bool:
    """Have what was ordered in its turn, to no avail and for no doing of its own, go on with that turn; False when nobody stands in line,
    so that it needs none."""
    if not QueuedCreate.objects.filter(api=clip.api).exists():
        return False
    stand(step, clip, unsent=unsent, had_turn=True, last_error_code=last_error_code)
    return True


def stay(step: Step, place: QueuedCreate) -> None:
    """Go on standing there: it was woken for nothing."""
    now = clock.now()
    step.write(next_step_at=_looks_again(step, now), waits_for=step.task.waits_for, queue_position=step.task.queue_position)


def leaving(step: Step) -> ProgressFields:
    """The fields of a task that leaves the line, with the intent to order; `left` belongs beside them."""
    return {"waits_for": "", "queue_position": None} if step.task.waits_for else {}


def left(step: Step) -> None:
    if step.task.waits_for in IN_LINE:
        QueuedCreate.objects.filter(pk=step.task.pk).delete()


def _looks_again(step: Step, now: datetime) -> datetime:
    return min(now + LOOKS_AFTER, failures.queued_until(step.task, step.clips))


def _shown(step: Step, *, is_next: bool) -> ProgressFields:
    """What a task shows that joins; its place and time are told more truly in a second (videos.accounts.surveying)."""
    task = step.task
    shown: ProgressFields = {"waits_for": RATE if is_next else FAIR_SHARE, "queue_position": 1 if is_next else task.queue_position}
    if task.status == Status.QUEUED:
        shown["stage"] = Stage.WAITING_FOR_RATE_LIMIT if is_next else "queued"
    return shown
