"""How far each roll-up has come, and what rows of roll-ups share."""

from typing import Any

from django.db import models

from conduit.rollups.steps import Step


class Cursor(models.Model):
    """Up to which row a roll-up has counted. The process that counts holds its lock."""

    name = models.CharField(max_length=60, primary_key=True)
    position = models.BigIntegerField(default=0, help_text="The id of the last row that was counted; 0 before the first.")
    kept_from = models.DateTimeField(
        null=True, help_text="Rows from before were forgotten: what they came to cannot be counted again. Empty: all are there."
    )

    def __str__(self) -> str:
        return f"{self.name} up to {self.position}"


class Stepped(models.Model):
    """What was counted in one step of time."""

    step = models.PositiveIntegerField(choices=Step, help_text="Its length in seconds.")
    starts_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} of {self.step} s from {self.starts_at:%Y-%m-%d %H:%M}"


class Timed(Stepped):
    """How many of a step took about as long as each other (conduit.rollups.histograms)."""

    bucket = models.SmallIntegerField(help_text="conduit.rollups.histograms.bucket_of: a fourth of a doubling.")
    count = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


def once(*fields: str, name: str) -> Any:
    """The constraint by which a row is found to be added to."""
    return models.UniqueConstraint(fields=["step", "starts_at", *fields], name=name)
