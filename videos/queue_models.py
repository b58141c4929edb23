"""Clips that wait for a create at MiniMax, while MiniMax takes fewer than are asked for."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Index, Q

from conduit import clock
from tasks.models import ACTIVE, FAIR_SHARE, RATE, Task
from videos.account_models import ProviderAccount

# What a task waits for that stands in this line.
IN_LINE = (FAIR_SHARE, RATE)
# How long a call counts as one that takes a turn: a task that was called and does not come keeps no other waiting for longer.
CALL_COUNTS_FOR = timedelta(seconds=10)


class QueuedCreateQuerySet(models.QuerySet["QueuedCreate"]):
    def waiting(self) -> "QueuedCreateQuerySet":
        """Those that were not called."""
        return self.filter(called_at=None)

    def of_living(self) -> "QueuedCreateQuerySet":
        """Without those whose task ended, or left the line for something else: rows that nobody needs any more."""
        return self.filter(task__status__in=ACTIVE, task__waits_for__in=IN_LINE)

    def called(self, now: datetime) -> "QueuedCreateQuerySet":
        """Those that are about to be ordered."""
        return self.of_living().filter(called_at__gt=now - CALL_COUNTS_FOR)


class QueuedCreate(models.Model):
    """A clip in line. The row is written as its task joins, and goes as the intent to order it is stored."""

    task = models.OneToOneField(Task, on_delete=models.CASCADE, primary_key=True, related_name="queued_create")
    key_id = models.BigIntegerField()
    team_id = models.BigIntegerField(null=True)
    api = models.CharField(max_length=2)
    model = models.CharField(max_length=100, help_text="The name that was asked for.")
    upstream = models.CharField(max_length=100, help_text="The model's name at MiniMax.")
    roles = models.CharField(max_length=100, blank=True, help_text="Of the pictures that it is made with, with commas.")
    seconds = models.PositiveSmallIntegerField(help_text="Of video: its price. 0 for an image.")
    expected_seconds = models.FloatField(help_text="How long MiniMax usually takes for it.")
    is_begun = models.BooleanField(default=False, help_text="It goes on with a chain: those of a key come before what is new.")
    had_turn = models.BooleanField(default=False, help_text="It was called, has paid, and could not be ordered: it comes first of all.")
    joined_at = models.DateTimeField(default=clock.now)
    called_at = models.DateTimeField(null=True, blank=True)
    account = models.ForeignKey(
        ProviderAccount, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False, help_text="It is called for."
    )

    objects = models.Manager.from_queryset(QueuedCreateQuerySet)()

    class Meta:
        default_permissions = ()
        indexes = [
            # videos.accounts.dealing: the first of each key.
            Index(fields=["api", "key_id", "-had_turn", "-is_begun", "task"], condition=Q(called_at=None), name="queued_create_waits"),
        ]

    def __str__(self) -> str:
        return f"create of {self.task_id}"
