"""What becomes of tasks when the database was restored from a backup: nothing that may have been sent since is sent again.

After the backup's moment each task that was under way may have gone on: its clips may have been ordered, and no row says so. They are
taken for orders whose answer was lost, sent between the backup and now: MiniMax's list and callbacks tell what became of them, or an
operator does. Jobs that MiniMax had by then are asked for as before. Tasks that were made after the backup are lost, and their jobs
with them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from conduit import clock
from conduit.conditions import restored
from keys import audit
from tasks.models import Lane, Task
from videos.account_models import AccountState, ProviderAccount
from videos.models import Clip, ClipState
from videos.planning import Plan
from videos.queue_models import QueuedCreate
from videos.stages import Stage

BATCH = 500
# A backup is made at most so long after the engine last said that it works; a restore takes longer.
BETWEEN = timedelta(minutes=1)
# Ids of clips that were made after the backup are never given out again: MiniMax may call back for them.
LOST_IDS = 1_000_000


@dataclass(frozen=True)
class TakenUp:
    """How many tasks were under way, and of how many an order may have been sent."""

    under_way: int
    reconciling: int


def take_up(*, moved: bool = False) -> TakenUp:
    """Put what was under way to where it goes on, and let the engine work with this database. `moved`: nothing was sent since the backup.

    It may be run again after it was killed in between.
    """
    since, until = backed_up_at(), clock.now()
    under_way = reconciling = 0
    if not moved:
        _leave_out_lost_ids()
        for tasks in _under_way(since):
            under_way += len(tasks)
            reconciling += _take_up(tasks, since, until)
    with transaction.atomic():
        audit.record(action="after restore", target="database", tasks=under_way, reconciling=reconciling, moved=moved)
        restored.accept()
    return TakenUp(under_way, reconciling)


def backed_up_at() -> datetime:
    """At most some seconds before the backup, or before all processes of the engine stopped."""
    newest = Task.objects.order_by("-pk").values_list("created_at", flat=True).first()
    return restored.last_worked_at() or newest or clock.now()


def _under_way(since: datetime) -> Iterator[Sequence[Task]]:
    """Those that were then. What came after the restore waits, and was sent nowhere."""
    after = None
    while True:
        active = Task.objects.active().filter(created_at__lte=since + BETWEEN).select_related("video").order_by("pk")
        tasks = list((active.filter(pk__gt=after) if after else active)[:BATCH])
        if not tasks:
            return
        yield tasks
        after = tasks[-1].pk


def _take_up(tasks: Sequence[Task], since: datetime, until: datetime) -> int:
    """In one transaction. How many of them have an order that may have been sent."""
    now, accounts = clock.now(), _accounts()
    with transaction.atomic():
        clips = [clip for task in tasks for clip in _clips_of(task)]
        unsure = [clip for clip in clips if clip.state in (ClipState.PLANNED, ClipState.SUBMITTING) and clip.makes == Clip.Makes.VIDEO]
        for clip in unsure:
            if clip.state == ClipState.PLANNED:
                clip.creates, clip.sent_at, clip.account = clip.creates + 1, since, accounts.get(clip.api)
            clip.state, clip.sent_until = ClipState.SUBMITTING, until
        Clip.objects.bulk_update(unsure, ["state", "creates", "sent_at", "sent_until", "account"])
        ids = [task.pk for task in tasks]
        QueuedCreate.objects.filter(pk__in=ids).delete()
        at_hand = {clip.video_id: clip.state for clip in reversed(clips) if clip.state != ClipState.READY}
        lost = [task.pk for task in tasks if at_hand.get(task.pk) == ClipState.SUBMITTING]
        free = {"lease_token": None, "lease_until": None, "next_step_at": now, "attempts": 0, "updated_at": now}
        Task.objects.filter(pk__in=ids).update(**free)
        Task.objects.filter(pk__in=lost).update(
            stage=Stage.RECONCILING,
            stage_since=now,
            lane=Lane.PROVIDER,
            waits_for="",
            queue_position=None,
            resumes_in="",
            last_error_code="",
        )
    return len(lost)


def _clips_of(task: Task) -> list[Clip]:
    """Its clips in their order. Of a task that no step had come to they are written now, as the first step would."""
    clips = list(task.video.clips.order_by("number"))
    if not clips:
        planned = Plan.from_json(task.video.plan).clips
        clips = Clip.objects.bulk_create([Clip(video=task.video, number=number, **asdict(one)) for number, one in enumerate(planned)])
    return clips


def _accounts() -> dict[str, ProviderAccount]:
    """By version of the API, where there is one alone that an order can have been made with."""
    found: dict[str, list[ProviderAccount]] = {}
    for account in ProviderAccount.objects.exclude(state=AccountState.OFF):
        found.setdefault(account.api, []).append(account)
    return {api: accounts[0] for api, accounts in found.items() if len(accounts) == 1}


def _leave_out_lost_ids() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT coalesce(max(id), 0) FROM videos_clip) + %s)",
                [Clip._meta.db_table, LOST_IDS],
            )
