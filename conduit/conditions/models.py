"""What holds right now, as rows that every process reads; and the processes that were heard of lately."""

from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.db.models import ExpressionWrapper, Q, UniqueConstraint
from django.db.models.functions import Now

SUBJECT_CHARACTERS, DETAIL_CHARACTERS = 200, 300


def moment(seconds: float) -> Any:
    """So many seconds from now, by the database's clock, inside a query."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=models.DateTimeField())


class StandingQuerySet(models.QuerySet["Standing"]):
    def looked(self) -> Self:
        """What looks found."""
        return self.filter(reporter="")

    def current(self) -> Self:
        """What holds: reports that were not repeated do not."""
        return self.filter(Q(lapses_at=None) | Q(lapses_at__gt=Now()))

    def lapsed(self) -> Self:
        return self.filter(lapses_at__lte=Now())


class Standing(models.Model):
    """A condition that holds for a subject. The row is written when that begins or its detail changes, and deleted when it ends."""

    name = models.CharField(max_length=60)
    subject = models.CharField(max_length=SUBJECT_CHARACTERS, blank=True, help_text="What it holds for; empty: the whole place.")
    reporter = models.CharField(max_length=SUBJECT_CHARACTERS, blank=True, help_text="The process that says so; empty: a look found it.")
    detail = models.CharField(max_length=DETAIL_CHARACTERS, blank=True)
    since = models.DateTimeField()
    lapses_at = models.DateTimeField(null=True, help_text="When it counts no more unless its reporter repeats it; empty: looks never do.")

    objects = models.Manager.from_queryset(StandingQuerySet)()

    class Meta:
        constraints = [UniqueConstraint(fields=["name", "subject", "reporter"], name="standing_once_per_reporter")]

    def __str__(self) -> str:
        return f"{self.name} {self.subject}".strip()


class LastLook(models.Model):
    """The one row that says when somebody last looked, and who may look now."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    begun_at = models.DateTimeField(help_text="Whoever moves it on looks: of several control processes one.")
    looked_at = models.DateTimeField(null=True, help_text="When what was found was written down.")

    def __str__(self) -> str:
        return f"looked at {self.looked_at}"


class Process(models.Model):
    """A worker or beat that was heard of, until it leaves in good order, another takes its place, or nobody misses it any more."""

    name = models.CharField(max_length=SUBJECT_CHARACTERS, unique=True)
    began_at = models.DateTimeField(help_text="When it was first heard.")
    heard_at = models.DateTimeField(help_text="When it was last heard, give or take a few seconds.")
    replaced_another = models.BooleanField(default=False, help_text="It took the place of one that had died: each takes one place.")

    class Meta:
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return self.name


class DatabaseIdentity(models.Model):
    """The one row that says which database the place last worked with (conduit.conditions.restored)."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    identity = models.CharField(max_length=100)
    worked_at = models.DateTimeField(help_text="When the engine last worked with it, to some seconds.")

    class Meta:
        verbose_name_plural = "database identities"

    def __str__(self) -> str:
        return self.identity


class DrainedHost(models.Model):
    """A host whose processes take no new work (conduit.conditions.drains)."""

    host = models.CharField(max_length=100, unique=True, help_text="As its processes call it.")
    since = models.DateTimeField()
    by = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.host
