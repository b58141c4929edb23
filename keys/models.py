"""Virtual keys and the ledger of what they cost."""

from typing import Any, ClassVar, NoReturn

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone


class VirtualKey(models.Model):
    """What an API consumer is known by. The secret itself is shown once and never stored."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False, help_text="The start of the secret, to tell keys apart.")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the secret, in hex.")
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on the key is refused. Empty: never.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    # REST framework asks its `request.user` whether somebody was authenticated.
    is_authenticated: ClassVar[bool] = True

    class Meta:
        verbose_name = "virtual key"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AppendOnly(models.QuerySet["UsageCost"]):
    """Rows that are written once."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("a ledger row is never changed: write the row that corrects it")

    def delete(self) -> NoReturn:
        raise TypeError("a ledger row is never deleted: write the row that corrects it")


class UsageCost(models.Model):
    """One movement of money of one task: append-only.

    A hold reserves the price when the task is created; when the task ends it is resolved once, into what is captured
    (charged) and what is released (given back). hold = capture + release for every ended task.
    """

    class Entry(models.TextChoices):
        HOLD = "hold"
        CAPTURE = "capture"
        RELEASE = "release"

    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, related_name="usage_costs")
    task_id = models.UUIDField(help_text="The task's plain id: this room knows no tasks.")
    task_kind = models.CharField(max_length=40)
    model = models.CharField(max_length=100)
    entry = models.CharField(max_length=10, choices=Entry)
    amount = models.DecimalField(max_digits=12, decimal_places=4)
    currency = models.CharField(max_length=3, default="USD")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = models.Manager.from_queryset(AppendOnly)()

    class Meta:
        verbose_name = "usage cost"
        ordering = ["-id"]
        constraints = [
            UniqueConstraint(fields=["task_id", "entry"], name="cost_each_entry_once_per_task"),
            CheckConstraint(condition=Q(amount__gte=0), name="cost_is_not_negative"),
            CheckConstraint(condition=Q(entry__in=["hold", "capture", "release"]), name="cost_entry_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.entry} {self.amount} {self.currency} for {self.task_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("a ledger row is never changed: write the row that corrects it")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a ledger row is never deleted: write the row that corrects it")
