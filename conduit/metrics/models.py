"""What was counted up to now, what was read last, and what each process tells of itself."""

from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.db.models import ExpressionWrapper, UniqueConstraint
from django.db.models.functions import Now

LABELS_CHARACTERS = 400


def ago(seconds: float) -> Any:
    return ExpressionWrapper(Now() - timedelta(seconds=seconds), output_field=models.DateTimeField())


class Total(models.Model):
    """All that was counted of one metric with these labels. It is only added to (conduit.metrics.totals)."""

    metric = models.CharField(max_length=80)
    labels = models.CharField(max_length=LABELS_CHARACTERS, help_text="The labels' values, as a JSON list.")
    part = models.CharField(
        max_length=12, blank=True, help_text="Of a histogram: a bucket's upper bound in seconds, or `sum`. Empty: of a counter."
    )
    value = models.DecimalField(max_digits=30, decimal_places=6, default=0)

    class Meta:
        constraints = [UniqueConstraint(fields=["metric", "labels", "part"], name="total_once")]

    def __str__(self) -> str:
        return f"{self.metric} {self.labels} {self.part}".rstrip()


class Snapshot(models.Model):
    """The one row of what was read of the whole place, for all web processes."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    begun_at = models.DateTimeField(help_text="Whoever moves it on reads: of several processes one.")
    read_at = models.DateTimeField(null=True)
    samples = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"read at {self.read_at}"


class OwnFiguresQuerySet(models.QuerySet["OwnFigures"]):
    def fresh(self, seconds: float) -> Self:
        """Of processes that told them so lately."""
        return self.filter(told_at__gt=ago(seconds))

    def stale(self, seconds: float) -> Self:
        return self.filter(told_at__lte=ago(seconds))


class OwnFigures(models.Model):
    """What one process tells of itself."""

    process = models.CharField(max_length=200, unique=True, help_text="As `web@HOST:PID`.")
    kind = models.CharField(max_length=60, help_text="What it does, as the Procfile's lines are called.")
    told_at = models.DateTimeField()
    samples = models.JSONField(default=list)

    objects = models.Manager.from_queryset(OwnFiguresQuerySet)()

    class Meta:
        verbose_name_plural = "own figures"

    def __str__(self) -> str:
        return self.process
