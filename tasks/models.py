"""The public task, and the events of its life."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import CheckConstraint, Index, Q, TextField
from django.db.models.functions import Cast, Right
from django.utils.text import capfirst

from conduit import clock, statements, traces
from conduit.statements import Statement
from keys.models import Team, VirtualKey
from tasks import joins
from tasks.ids import new_task_id
from tasks.line_models import Outlook, Share  # noqa: F401 - tables of this app
from tasks.notifications.models import TaskTarget
from tasks.rollup_models import TaskCount, TaskTime  # noqa: F401 - tables of this app


class Status(models.TextChoices):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Lane(models.TextChoices):
    """What kind of work a task's next step is: the backlog of one keeps no other waiting."""

    PROVIDER = "provider"
    ASKING = "asking"  # how work at a provider goes: done again and again, and many at once
    MEDIA = "media"

    @property
    def queue(self) -> str:
        """The queue of Celery's, and so the kind of process, of its workers."""
        return "provider" if self is Lane.ASKING else str(self.value)


ACTIVE = (Status.QUEUED, Status.PROCESSING)
# The stage of a task of any kind whose next step a pause holds (tasks.paused).
PAUSED = "paused"
# What a task waits for that stands in a line, in the contract's words: until others of its key end (tasks.own_limits), for its turn
# among others, for the provider's rate alone, or for the workers of the media lane.
OWN_LIMIT, FAIR_SHARE, RATE, MEDIA = "own_limit", "fair_share", "rate", "media"
MODEL_CHARACTERS, PAUSE_WORDS_CHARACTERS = 100, 200
# The error code of a cancelled task that its deadline ended (tasks.deadlines).
DEADLINE_EXCEEDED = "deadline_exceeded"
CAN_BE_RETRIED = "only a failed one, or one that its deadline ended, can be retried."
# Of the end of an id, by which people call a task.
TAIL_CHARACTERS = 8


def retryable(task: str = "") -> Q:
    """That a task may be retried; `task` leads to it from another table, such as `task__`."""
    return Q(**{f"{task}status": Status.FAILED}) | Q(**{f"{task}status": Status.CANCELLED, f"{task}error_code": DEADLINE_EXCEEDED})


def no_lease(now: datetime, task: str = "") -> Q:
    """That no living step works on the task; `task` leads to it from another table, such as `task__`."""
    return Q(**{f"{task}lease_until": None}) | Q(**{f"{task}lease_until__lt": now})


class TaskQuerySet(models.QuerySet["Task"]):
    def for_key(self, key: VirtualKey) -> Self:
        """The tasks that this key may see, or the client token that it carries, with what showing them needs: the start of everything
        public."""
        seen = self.filter(key=key).select_related(*joins.related())
        return seen.filter(pk=key.client_token.task_id) if key.client_token and key.client_token.task_id else seen

    def for_operators(self) -> Self:
        """Every task, with what showing it to those who run the place needs."""
        return self.select_related("key", "team", *joins.related()).prefetch_related(*joins.related_for_operators())

    def active(self) -> Self:
        return self.filter(status__in=ACTIVE)

    def unleased(self, now: datetime) -> Self:
        """Those that no living step works on."""
        return self.filter(no_lease(now))

    def due(self, now: datetime, lane: str) -> Self:
        """Those of the lane whose next step may be done now."""
        return self.active().unleased(now).filter(lane=lane, next_step_at__lte=now)

    def past_deadline(self, now: datetime) -> Self:
        """Those that were to be done by now, longest past first."""
        return self.active().filter(deadline_at__lte=now).order_by("deadline_at")

    def paused(self) -> Self:
        """Those that wait for the end of a pause."""
        return self.active().filter(stage=PAUSED)

    def over_limit(self) -> Self:
        """Those that wait until others of their key end: they are not in flight."""
        return self.active().filter(waits_for=OWN_LIMIT)

    def in_flight(self) -> Self:
        """What counts against the number of tasks that a key may have at once."""
        return self.active().exclude(waits_for=OWN_LIMIT)

    def late(self, now: datetime, *, seconds: float) -> Self:
        """Those whose step has been due for longer than that and that nobody has taken; a claim on it is no work yet."""
        at_work = Q(attempts__gt=0, lease_until__gt=now)
        return self.active().filter(lane__in=Lane.values, next_step_at__lt=now - timedelta(seconds=seconds)).exclude(at_work)


class Task(models.Model):
    """One piece of work for one key: its state, its money, and when its next step is due."""

    id = models.UUIDField(primary_key=True, default=new_task_id, editable=False)
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, related_name="tasks")
    # As in the ledger: the one that the key was in when the task was created. It may be gone since.
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.CharField(max_length=40, help_text="What registered with tasks.kinds shows it and drives it.")
    model = models.CharField(max_length=MODEL_CHARACTERS, help_text="The name that was asked for.")
    metadata = models.JSONField(default=dict, blank=True)
    traceparent = models.CharField(
        max_length=traces.CHARACTERS, blank=True, default="", db_default="", editable=False, help_text="The W3C trace of who asked for it."
    )
    retry_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="retries")

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    stage = models.CharField(max_length=40, default="queued", help_text="What happens right now, for people and programs.")
    stage_since = models.DateTimeField(default=clock.now)
    error = models.TextField(blank=True, help_text="Why it failed, in words for the consumer.")
    error_code = models.CharField(max_length=40, blank=True, help_text="Why it failed, or that its deadline ended it, for programs.")
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="What is not done by then is cancelled. Empty: it has all the time."
    )
    resumes_in = models.CharField(max_length=40, blank=True, default="", db_default="", help_text="While it is paused: its stage before.")
    stood_for = models.DurationField(default=timedelta, db_default=timedelta(0), help_text="While it is paused: how long it stood there.")
    paused_for = models.DurationField(
        default=timedelta, db_default=timedelta(0), help_text="How long it was paused since our limits count: they leave it out."
    )
    waits_for = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="While it stands in a line: what for, in the API's word."
    )
    queue_position = models.PositiveIntegerField(null=True, blank=True, help_text="While it stands in a line: its place, from 1.")
    last_error_code = models.CharField(
        max_length=40, blank=True, db_column="trouble", help_text="What its step was last refused for: it waits and tries again."
    )

    price = models.DecimalField(max_digits=12, decimal_places=4, help_text="USD, as it was when the task was created.")
    price_factor = models.DecimalField(
        max_digits=6, decimal_places=4, default=Decimal(1), db_default=Decimal(1), help_text="The multiple of the list price that it is."
    )
    charged = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True, help_text="USD; empty until the task ends.")

    settles_later = models.BooleanField(
        default=False, db_default=False, help_text="It has ended, and its hold stands until it is known what the provider bills for it."
    )

    # Progress is read off these by the clock (tasks.progress): `progress` when the leg began, and where the leg ends.
    progress = models.PositiveSmallIntegerField(default=0)
    leg_goal = models.PositiveSmallIntegerField(default=0)
    leg_started_at = models.DateTimeField(default=clock.now)
    leg_seconds = models.FloatField(default=0, help_text="How long this leg usually takes.")
    rest_seconds = models.FloatField(default=0, help_text="How long everything after this leg usually takes.")

    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    # How long they are kept from its end on, as it was when it was created, and, once it has ended, until when (tasks.lifecycle.move).
    results_kept_for = models.DurationField(null=True, blank=True, help_text="Empty: for good.")
    prompts_kept_for = models.DurationField(null=True, blank=True, help_text="Empty: for good.")
    results_end_at = models.DateTimeField(null=True, blank=True, help_text="When its result is deleted, while it is not.")
    prompts_end_at = models.DateTimeField(null=True, blank=True, help_text="When its prompt and metadata are deleted, while they are not.")

    lane = models.CharField(max_length=10, choices=Lane, default=Lane.PROVIDER)
    next_step_at = models.DateTimeField(null=True, blank=True, default=clock.now)
    lease_token = models.UUIDField(null=True, blank=True, help_text="Who may write the outcome of the step at work.")
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Times that the step at hand was begun without getting on.")

    # Of one that is about to be written: where the call that makes it has its webhooks sent.
    webhook: TaskTarget | None = None

    objects = models.Manager.from_queryset(TaskQuerySet)()

    class Meta:
        permissions = [
            ("cancel_task", "Can cancel any task"),
            ("retry_task", "Can retry any task"),
            ("delete_media", "Can delete the result and prompt of any task"),
        ]
        ordering = ["-id"]
        constraints = [
            CheckConstraint(condition=Q(progress__lte=100, leg_goal__lte=100), name="task_progress_is_a_percentage"),
            CheckConstraint(
                condition=Q(status="completed", progress=100) | (~Q(status="completed") & Q(progress__lt=100)),
                name="task_is_at_100_when_completed_only",
            ),
            CheckConstraint(
                condition=Q(status__in=["queued", "processing"], next_step_at__isnull=False, ended_at=None, charged=None)
                | Q(status__in=["completed", "failed", "cancelled"], next_step_at=None, ended_at__isnull=False),
                name="task_has_a_next_step_until_it_ends",
            ),
            CheckConstraint(
                condition=(Q(status="failed") ^ Q(error_code="")) | Q(status="cancelled", error_code=DEADLINE_EXCEEDED),
                name="task_has_an_error_when_failed_or_too_late_only",
            ),
            CheckConstraint(
                condition=Q(status__in=["queued", "processing"], settles_later=False)
                | Q(status="failed", settles_later=True, charged=None)
                | Q(status__in=["completed", "failed", "cancelled"], settles_later=False, charged__isnull=False),
                name="task_is_charged_when_it_ended_or_settles_later",
            ),
        ]
        indexes = [
            Index(fields=["key", "-id"], name="task_of_key"),  # TaskQuerySet.for_key, newest first
            # TaskQuerySet.due, .late: the backlog of one lane is not read for another.
            Index(fields=["lane", "next_step_at"], condition=Q(status__in=["queued", "processing"]), name="task_due_in_lane"),
            # TaskQuerySet.past_deadline, over those that have one.
            Index(
                fields=["deadline_at"],
                condition=Q(deadline_at__isnull=False, status__in=["queued", "processing"]),
                name="task_deadline",
            ),
            # TaskQuerySet.paused, by whose pause it may be.
            Index(fields=["lane", "model"], condition=Q(stage="paused", status__in=["queued", "processing"]), name="task_paused"),
            # videos.retention, over those that have an end.
            Index(fields=["results_end_at"], condition=Q(results_end_at__isnull=False), name="task_result_ends"),
            Index(fields=["prompts_end_at"], condition=Q(prompts_end_at__isnull=False), name="task_prompt_ends"),
            # lifecycle.creating: what counts against the key's limits of tasks.
            Index(fields=["key"], condition=Q(status__in=["queued", "processing"]), name="task_in_flight"),
            Index(fields=["key", "id"], condition=Q(waits_for="own_limit", status__in=["queued", "processing"]), name="task_over_limit"),
            Index(fields=["key", "created_at"], name="task_lately"),
            # tasks.search, of a key: those that came to nothing.
            Index(fields=["key", "-id"], condition=Q(status__in=["cancelled", "failed"]), name="task_unsuccessful"),
            # tasks.search, newest first: by team, model, one last status, error code, and of those under way all the rest. Where
            # they can they hold ended tasks alone, so that no step of one under way writes to them.
            Index(fields=["team", "-id"], condition=Q(team__isnull=False), name="task_of_team"),
            Index(fields=["model", "-id"], name="task_of_model"),
            Index(fields=["status", "-id"], condition=Q(status__in=["completed", "failed", "cancelled"]), name="task_ended"),
            Index(fields=["error_code", "-id"], condition=~Q(error_code=""), name="task_of_error"),
            Index(fields=["-id"], condition=Q(status__in=["queued", "processing"]), name="task_under_way"),
            Index(Right(Cast("id", TextField()), TAIL_CHARACTERS), name="task_of_tail"),  # tasks.search_meaning
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def expires_at(self) -> datetime | None:
        """When the first of what is kept for a time is deleted; None: never, or not before it has ended."""
        return min((moment for moment in (self.results_end_at, self.prompts_end_at) if moment), default=None)

    @property
    def is_retryable(self) -> bool:
        return self.status == Status.FAILED or (self.status == Status.CANCELLED and self.error_code == DEADLINE_EXCEEDED)

    @property
    def held(self) -> Decimal:
        """USD reserved on the key for this task right now."""
        return self.price if self.is_active or self.settles_later else Decimal(0)


class FeedQuerySet(models.QuerySet["Feed"]):
    def next_position(self, key_id: int) -> int:
        """Take the next position of the key's history, and keep it from everybody else until this transaction ends.

        So events of a key become visible in the order of their positions and without a gap: a reader of all up to one has
        missed none below. Take it late in a transaction: other events of the key wait for its end.
        """
        [[[position]]] = statements.do(self.taking_position(key_id))
        return int(position)

    def taking_position(self, key_id: int) -> Statement:
        """The statement that does so."""
        table = self.model._meta.db_table
        return Statement(
            f"INSERT INTO {table} (key_id, position, kept_from) VALUES (%s, 1, 1) "  # noqa: S608 - the model's own table
            f"ON CONFLICT (key_id) DO UPDATE SET position = {table}.position + 1 RETURNING position",
            [key_id],
        )


class Feed(models.Model):
    """Where the history of a key's events stands: one row for each key that ever had one."""

    key = models.OneToOneField(VirtualKey, primary_key=True, on_delete=models.PROTECT, related_name="+")
    position = models.BigIntegerField(help_text="Of its newest event. Positions are dense: each is one more than the one before.")
    kept_from = models.BigIntegerField(help_text="From this position on every event is kept; of those before, some were forgotten.")

    objects = models.Manager.from_queryset(FeedQuerySet)()

    class Meta:
        constraints = [CheckConstraint(condition=Q(position__gte=1, kept_from__gte=1), name="feed_begins_at_one")]

    def __str__(self) -> str:
        return f"events of key {self.key_id} up to {self.position}"


class TaskEvent(models.Model):
    """A change of status, written in the transaction that made it. Readers of a key's history go by `position`."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="events")
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, related_name="+")
    position = models.BigIntegerField(help_text="Its place in the key's history: what the API calls event id.")
    status = models.CharField(max_length=10, choices=Status)
    facts = models.JSONField(default=dict, blank=True, help_text="What the task's row will not tell any more, such as its progress then.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    is_to_be_told = models.BooleanField(default=False, db_default=False, help_text="Somebody asked for webhooks of it (tasks.telling).")

    class Meta:
        verbose_name = "task event"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["task", "status"], name="event_each_status_once_per_task"),
            models.UniqueConstraint(fields=["key", "position"], name="event_each_position_once_per_key"),  # tasks.history
        ]
        indexes = [
            Index(fields=["created_at"], name="event_age"),  # tasks.retention
            Index(fields=["id"], condition=Q(is_to_be_told=True), name="event_to_be_told"),  # tasks.telling
        ]

    def __str__(self) -> str:
        return f"{self.task_id} {self.status}"


class PauseKind(models.TextChoices):
    """What can be stopped."""

    SENDING = "sending", "sending to MiniMax"
    MEDIA = "media", "work on files"
    NEW_WORK = "new_work", "new work"


class PauseQuerySet(models.QuerySet["Pause"]):
    def active(self, now: datetime) -> Self:
        """Those whose end has not come."""
        return self.filter(Q(until=None) | Q(until__gt=now))


class Pause(models.Model):
    """What an administrator has stopped. The row goes with the pause; the audit says how it was."""

    kind = models.CharField(max_length=10, choices=PauseKind)
    model = models.CharField(
        max_length=MODEL_CHARACTERS, blank=True, help_text="Sending alone: the model that waits, under all its names. Empty: all."
    )
    until = models.DateTimeField(null=True, blank=True, help_text="When it ends by itself. Empty: when somebody ends it.")
    reason = models.CharField(max_length=PAUSE_WORDS_CHARACTERS, blank=True, help_text="Why, for other administrators.")
    message = models.CharField(
        max_length=PAUSE_WORDS_CHARACTERS, blank=True, help_text="New work alone: what those who ask for it are told."
    )
    created_by = models.CharField(max_length=150, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(PauseQuerySet)()

    class Meta:
        default_permissions = ("view",)
        permissions = [("pause_work", "Can stop and resume work")]
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "model"], name="pause_once_per_kind_and_model"),
            CheckConstraint(condition=Q(kind__in=["sending", "media", "new_work"]), name="pause_kind_is_known"),
            CheckConstraint(condition=Q(kind="sending") | Q(model=""), name="pause_of_sending_alone_has_a_model"),
            CheckConstraint(condition=Q(kind="new_work") | Q(message=""), name="pause_of_new_work_alone_has_a_message"),
        ]

    def __str__(self) -> str:
        return capfirst(PauseKind(self.kind).label) + (f" ({self.model})" if self.model else "")

    @property
    def what(self) -> str:
        """What it stops, for programs, such as `sending video-01`."""
        return f"{self.kind} {self.model}".rstrip()

    @property
    def story(self) -> str:
        """In a sentence: what was stopped by whom, until when, and why."""
        until = f", until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{self} was stopped by {self.created_by}{until}{f': {self.reason}' if self.reason else ''}."


import tasks.run_models  # noqa: E402, F401 - Django finds an app's models here
