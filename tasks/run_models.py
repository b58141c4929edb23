"""What is done to many tasks at once, as rows: it goes on whatever process dies."""

from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from conduit import clock
from tasks.search_language import TEXT_MAX

DETAIL_CHARACTERS = 300


class Action(models.TextChoices):
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"  # the results and prompts


class RunState(models.TextChoices):
    AT_WORK = "at_work", "at work"
    DONE = "done", "done"
    STOPPED = "stopped", "stopped"


class RunQuerySet(models.QuerySet["Run"]):
    def due(self, now: object) -> Self:
        """Those at work that nobody works on."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=now), state=RunState.AT_WORK, next_step_at__lte=now)


class Run(models.Model):
    """One action on the tasks that a search finds, or on those that were chosen, one after the other, newest first."""

    action = models.CharField(max_length=10, choices=Action)
    search = models.CharField(max_length=TEXT_MAX, blank=True, help_text="Read as it was meant when the run was begun.")
    task_ids = models.JSONField(null=True, help_text="Those that were chosen; empty: all that the search finds.")
    up_to = models.UUIDField(help_text="Tasks made after this one are not the run's.")
    form_id = models.UUIDField(null=True, unique=True, help_text="Of the page that asked for it: sent twice it is one run.")
    created_by = models.CharField(max_length=150)
    actor = models.CharField(
        max_length=100,
        blank=True,
        help_text="Whose right it needs all the while, as the audit names it; empty: nobody's, such as a command's.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    # What was said before it began.
    expected = models.PositiveIntegerField(help_text="Tasks.")
    expected_usd = models.DecimalField(max_digits=14, decimal_places=4, help_text="Given back, or held.")
    is_least = models.BooleanField(default=False, help_text="Whether both are at least so many.")

    state = models.CharField(max_length=10, choices=RunState, default=RunState.AT_WORK)
    stopped_by = models.CharField(max_length=150, blank=True)
    stopped_why = models.CharField(max_length=DETAIL_CHARACTERS, blank=True, help_text="When nobody stopped it, in a sentence.")
    ended_at = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)

    position = models.UUIDField(null=True, help_text="The task up to which it has come.")
    next_step_at = models.DateTimeField(default=clock.now)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Times that it was taken up without getting on.")

    objects = models.Manager.from_queryset(RunQuerySet)()

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        constraints = [CheckConstraint(condition=Q(state="at_work") ^ Q(ended_at__isnull=False), name="run_ends_when_it_is_not_at_work")]
        indexes = [
            Index(fields=["next_step_at"], condition=Q(state="at_work"), name="run_due"),  # RunQuerySet.due
            Index(fields=["ended_at"], name="run_age"),  # tasks.runs.forget_old
        ]

    def __str__(self) -> str:
        return f"{self.action} {f'{len(self.task_ids)} chosen tasks' if self.task_ids is not None else self.search or 'all tasks'}"

    @property
    def is_at_work(self) -> bool:
        return self.state == RunState.AT_WORK

    @property
    def handled(self) -> int:
        """Tasks that have an outcome."""
        return self.done + self.unchanged + self.refused

    @property
    def chosen(self) -> list[UUID]:
        return [UUID(task_id) for task_id in self.task_ids or ()]


class RunOutcome(models.Model):
    """What became of one task. Written in the transaction of what was done to it, so that it is done once."""

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        UNCHANGED = "unchanged", "left as it was"
        REFUSED = "refused", "refused"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="outcomes", db_index=False)
    task = models.ForeignKey("tasks.Task", on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=10, choices=Outcome)
    detail = models.CharField(max_length=DETAIL_CHARACTERS, blank=True, help_text="Why, in a sentence.")
    retried_as = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        constraints = [UniqueConstraint(fields=["run", "task"], name="outcome_once_per_run_and_task")]
        indexes = [Index(fields=["run", "outcome", "-id"], name="outcome_of_run"), Index(fields=["run", "-id"], name="outcome_newest")]

    def __str__(self) -> str:
        return f"{self.task_id}: {self.outcome}"
