"""What ticks add up of the ledger (keys.rollups). USD; by when the rows were written, as in reports of usage."""

from decimal import Decimal

from django.db import models
from django.db.models import Index, UniqueConstraint

from conduit.rollups.models import Stepped, once

NO_TEAM = 0


def _usd() -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=20, decimal_places=4, default=Decimal(0))


class Sums(models.Model):
    """What the ledger's entries come to."""

    tasks = models.BigIntegerField(default=0, help_text="Created: there is a hold for each.")
    held = _usd()
    charged = _usd()
    released = _usd()
    refunded = _usd()
    credited = _usd()
    adjusted = _usd()

    class Meta:
        abstract = True


class MoneyCount(Stepped, Sums):  # noqa: DJ008 - Stepped has one
    """What was moved within a step, of all keys together."""

    model = models.CharField(max_length=100, blank=True, help_text="The name that was asked for; empty for what is of no task.")

    class Meta:
        constraints = [once("model", name="money_count_once")]


class MoneyOfDay(Sums):
    """What was moved on a day (UTC) of one key."""

    day = models.DateField()
    key_id = models.BigIntegerField()
    team_id = models.BigIntegerField(default=NO_TEAM, help_text="In whose budgets it counts; 0: none's.")
    model = models.CharField(max_length=100, blank=True, help_text="The name that was asked for; empty for what is of no task.")

    class Meta:
        constraints = [UniqueConstraint(fields=["day", "key_id", "team_id", "model"], name="money_of_day_once")]
        indexes = [
            Index(fields=["key_id", "day"], name="money_of_day_of_key"),
            Index(fields=["team_id", "day"], name="money_of_day_of_team"),
        ]

    def __str__(self) -> str:
        return f"money of key {self.key_id} on {self.day}"


class MoneyOfMonth(Sums):
    """What was moved in a month (UTC) of one key: of ten thousand keys a thirtieth of the rows."""

    month = models.DateField(help_text="Its first day.")
    key_id = models.BigIntegerField()
    team_id = models.BigIntegerField(default=NO_TEAM, help_text="In whose budgets it counts; 0: none's.")
    model = models.CharField(max_length=100, blank=True, help_text="The name that was asked for; empty for what is of no task.")

    class Meta:
        constraints = [UniqueConstraint(fields=["month", "key_id", "team_id", "model"], name="money_of_month_once")]
        indexes = [Index(fields=["team_id", "month"], name="money_of_month_of_team")]  # keys.overview.dearest_first

    def __str__(self) -> str:
        return f"money of key {self.key_id} in {self.month:%Y-%m}"
