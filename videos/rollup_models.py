"""What is counted of the calls to MiniMax, and what ticks add up of its jobs (videos.rollups)."""

from decimal import Decimal

from django.db import models
from django.db.models import Index, UniqueConstraint

from conduit.rollups.models import Stepped, Timed, once


class CallCount(Stepped):
    """How many calls to MiniMax were answered so. The processes that call hand them in."""

    class Answer(models.TextChoices):
        FINE = "fine"
        RATE = "rate", "refused for its rate"
        ERROR = "error"
        NONE = "none", "no answer"

    upstream = models.CharField(max_length=100, blank=True, help_text="The model at MiniMax; empty: of none.")
    call = models.CharField(max_length=20)
    answer = models.CharField(max_length=5, choices=Answer)
    code = models.IntegerField(default=0, help_text="Of what was refused: MiniMax's own code, or else the HTTP status.")
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [once("upstream", "call", "answer", "code", name="call_count_once")]


class CallTime(Timed):
    """How long MiniMax's API took to answer, whatever it said. Downloads of files are not among it."""

    upstream = models.CharField(max_length=100, blank=True, help_text="The model at MiniMax; empty: of none.")

    class Meta:
        constraints = [once("upstream", "bucket", name="call_time_once")]


class MakingTime(Timed):
    """How long MiniMax took for the clips that were looked into within a step."""

    upstream = models.CharField(max_length=100, help_text="The model at MiniMax.")

    class Meta:
        constraints = [once("upstream", "bucket", name="making_time_once")]


class BilledCount(Stepped):
    """What MiniMax bills for the jobs that it accepted within a step."""

    upstream = models.CharField(max_length=100, help_text="The model at MiniMax.")
    jobs = models.BigIntegerField(default=0)
    billed = models.DecimalField(max_digits=20, decimal_places=4, default=Decimal(0), help_text="USD.")

    class Meta:
        constraints = [once("upstream", name="billed_count_once")]


class Billed(models.Model):
    """What MiniMax bills for jobs of one model."""

    model = models.CharField(max_length=100, help_text="The name that was asked for.")
    upstream = models.CharField(max_length=100, help_text="The model at MiniMax.")
    jobs = models.BigIntegerField(default=0)
    billed = models.DecimalField(max_digits=20, decimal_places=4, default=Decimal(0), help_text="USD.")

    class Meta:
        abstract = True


class BilledOfModel(Billed):
    """For all keys together, of the jobs that it accepted on a day (UTC)."""

    day = models.DateField()

    class Meta:
        constraints = [UniqueConstraint(fields=["day", "model", "upstream"], name="billed_of_model_once")]

    def __str__(self) -> str:
        return f"billed by MiniMax for {self.upstream} on {self.day}"


class BilledOfDay(Billed):
    """For one key, of the jobs that it accepted on a day (UTC)."""

    day = models.DateField()
    key_id = models.BigIntegerField()
    team_id = models.BigIntegerField(default=0, help_text="In whose budgets the task counts; 0: none's.")

    class Meta:
        constraints = [UniqueConstraint(fields=["day", "key_id", "team_id", "model", "upstream"], name="billed_of_day_once")]
        indexes = [
            Index(fields=["key_id", "day"], name="billed_of_day_of_key"),
            Index(fields=["team_id", "day"], name="billed_of_day_of_team"),
        ]

    def __str__(self) -> str:
        return f"billed by MiniMax for key {self.key_id} on {self.day}"


class BilledOfMonth(Billed):
    """For one key, of the jobs that it accepted in a month (UTC): of ten thousand keys a thirtieth of the rows."""

    month = models.DateField(help_text="Its first day.")
    key_id = models.BigIntegerField()
    team_id = models.BigIntegerField(default=0, help_text="In whose budgets the task counts; 0: none's.")

    class Meta:
        constraints = [UniqueConstraint(fields=["month", "key_id", "team_id", "model", "upstream"], name="billed_of_month_once")]

    def __str__(self) -> str:
        return f"billed by MiniMax for key {self.key_id} in {self.month:%Y-%m}"


class BilledOfAccount(models.Model):
    """What MiniMax bills for the jobs of one account that it accepted in a month (UTC)."""

    month = models.DateField(help_text="Its first day.")
    account_id = models.BigIntegerField()
    jobs = models.BigIntegerField(default=0)
    billed = models.DecimalField(max_digits=20, decimal_places=4, default=Decimal(0), help_text="USD.")

    class Meta:
        constraints = [UniqueConstraint(fields=["month", "account_id"], name="billed_of_account_once")]

    def __str__(self) -> str:
        return f"billed by MiniMax for account {self.account_id} in {self.month:%Y-%m}"
