"""Accounts at MiniMax."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from conduit import clock, sealing
from videos.inputs import all_roles
from videos.minimax.exchanges import TEXT_MAX

WEIGHT_MOST = 100
_PURPOSE = "videos.accounts"
# The share by which a pace that was found grows in its first minute without a refusal, and by more in each later one.
GROWTH = 0.01


class AccountKind(models.TextChoices):
    """What is spoken at an account's address."""

    MINIMAX_V1 = "minimax_v1", "MiniMax, version 1 (video-01, Hailuo, images)"
    MINIMAX_V2 = "minimax_v2", "MiniMax, version 2 (H3)"


class AccountState(models.TextChoices):
    """What is done with an account."""

    ON = "on"
    DRAINING = "draining", "draining: nothing new is ordered, what it makes is waited for"
    OFF = "off", "off: it is not called, jobs that it has wait"


class AsideFor(models.TextChoices):
    """What an account is set aside for: those of videos.minimax.errors.Blame that are its own doing, or its provider's."""

    ACCOUNT_KEY = "account_key", "its key is not accepted"
    ACCOUNT_BALANCE = "account_balance", "its balance or quota is used up"
    PROVIDER = "provider", "it cannot be reached, or answers with errors"


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def environments(self, kind: str) -> "ProviderAccount | None":
        """The one whose key and address the environment names."""
        return self.filter(kind=kind, from_environment=True).first()


class ProviderAccount(models.Model):
    """An account at MiniMax, or at a reseller of it. Its key is sealed, and never shown again."""

    name = models.CharField(max_length=100, unique=True, help_text="For people.")
    kind = models.CharField(max_length=20, choices=AccountKind)
    base_url = models.CharField(
        "base URL",
        max_length=300,
        blank=True,
        help_text="Of the account's region, such as https://api.minimax.io; a path is kept, and /v1 or /v2 at its end left out.",
    )
    sealed_secret = models.TextField(blank=True, default="", editable=False, help_text="Its key, sealed (conduit.sealing).")
    key_set_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When its key was last set.")
    from_environment = models.BooleanField(
        default=False, editable=False, help_text="Its key and address are MINIMAX_API_KEY and MINIMAX_BASE_URL, as long as they are set."
    )
    state = models.CharField(max_length=8, choices=AccountState, default=AccountState.ON)
    model_names = models.JSONField(default=list, blank=True, help_text="The models that it may make, by our names. Empty: all of its kind.")
    input_roles = models.JSONField(
        default=all_roles, db_default=all_roles(), blank=True, help_text="The pictures that it may be given with a clip, by their role."
    )
    weight = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(WEIGHT_MOST)],
        help_text=f"How much of the work is its, beside that of others that have room (1 to {WEIGHT_MOST}).",
    )
    creates_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="What its plan allows. Empty: as much as MiniMax takes."
    )
    jobs_in_flight = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Jobs that it may have at once. Empty: any number."
    )
    monthly_limit = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="USD that it may bill for the jobs of a month (UTC). Empty: any amount.",
    )
    next_create_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When its pace allows the next order.")

    # The pace that was found, by refusals (videos.accounts.pace).
    pace = models.FloatField(null=True, blank=True, editable=False, help_text="Creates a minute; empty: no limit was met.")
    paced_at = models.DateTimeField(null=True, blank=True, editable=False)
    refusals = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False, help_text="In a row, for its rate.")

    # How much less often than usual it is asked, by refusals (videos.accounts.asking).
    ask_factor = models.FloatField(default=1, db_default=1, editable=False)
    asked_too_often_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it was refused for that last.")

    # What it is set aside for, if it is (videos.accounts.breakers).
    cause = models.CharField(max_length=20, blank=True, default="", db_default="", editable=False, choices=AsideFor)
    since = models.DateTimeField(null=True, blank=True, editable=False)
    code = models.IntegerField(null=True, blank=True, editable=False, help_text="MiniMax's own, of the last answer.")
    said = models.CharField(max_length=TEXT_MAX, blank=True, default="", db_default="", editable=False, help_text="By that answer.")
    tries = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False, help_text="Since it was set aside.")
    tries_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When a waiting task tries it next.")
    failed_orders = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False, help_text="In a row, without a sound answer.")
    failed_reads = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    refused_models = models.JSONField(
        default=dict,
        db_default={},
        editable=False,
        help_text="MiniMax's models that its plan does not have (videos.accounts.plans).",
    )

    # MiniMax could not call back to PUBLIC_URL (videos.callbacks).
    callbacks_refused_at = models.DateTimeField(null=True, blank=True, editable=False)
    callbacks_said = models.CharField(
        max_length=TEXT_MAX, blank=True, default="", db_default="", editable=False, help_text="By its answer."
    )

    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(ProviderAccountQuerySet)()

    is_on_trial = False  # the task that has this row at hand is the one that tries it (videos.accounts.breakers)

    class Meta:
        verbose_name = "MiniMax account"
        ordering = ["name"]
        permissions = [("operate_provideraccount", "Can test MiniMax accounts and switch them on, to draining and off")]
        constraints = [
            UniqueConstraint(fields=["kind"], condition=Q(from_environment=True), name="account_of_environment_once_per_kind"),
            CheckConstraint(condition=Q(weight__gte=1, weight__lte=WEIGHT_MOST), name="account_weight_in_range"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def api(self) -> str:
        """The version of MiniMax's API that it speaks, as clips have it."""
        return self.kind.rpartition("_")[2]

    @property
    def address(self) -> str:
        return settings.MINIMAX_BASE_URL if self.from_environment else self.base_url

    @property
    def key(self) -> str:
        """Its secret; empty when there is none, or none that this place's SECRET_KEY opens."""
        if self.from_environment:
            return str(settings.MINIMAX_API_KEY)
        try:
            return sealing.box(_PURPOSE).decrypt(self.sealed_secret.encode()).decode() if self.sealed_secret else ""
        except InvalidToken:
            return ""

    def may_make(self, names: Collection[str]) -> bool:
        """Whether it may make the model of these names, if it is of its kind."""
        return not self.model_names or not set(self.model_names).isdisjoint(names)

    def may_take(self, roles: Collection[str]) -> bool:
        """Whether it may be given pictures in these roles."""
        return set(roles) <= set(self.input_roles)

    @property
    def answer(self) -> str:
        """What it was answered when it was set aside, or tried since: a sentence."""
        words = f" ({self.said})" if self.said and self.code else ""
        return f"the answer was code {self.code}{words}." if self.code else f"{self.said.rstrip('.')}."

    @property
    def is_bounded(self) -> bool:
        """Whether orders have to be counted."""
        return bool(self.creates_per_minute or self.pace or self.next_create_at or self.jobs_in_flight or self.monthly_limit is not None)

    def pace_at(self, now: datetime) -> float | None:
        """Creates a minute that go out; None: as quick as they come. What was found grows while nothing is refused."""
        found = None
        if self.pace and self.paced_at:
            minutes = (now - self.paced_at).total_seconds() / 60
            found = self.pace * (1 + GROWTH * (minutes + minutes**2 / 10))
        return min((pace for pace in (found, self.creates_per_minute) if pace), default=None)

    def interval_at(self, now: datetime) -> timedelta | None:
        """Between two orders; None: as quick as they come."""
        pace = self.pace_at(now)
        if pace:
            return timedelta(seconds=60 / pace)
        return timedelta(seconds=settings.RETRY_SECONDS) if self.refusals else None

    @property
    def creates_in_a_minute(self) -> int | None:
        """How many it may order within any minute; None: no limit is known."""
        return max(1, round(pace)) if (pace := self.pace_at(clock.now())) else None

    @property
    def is_sealed_anew(self) -> bool:
        """Whether its key, if it is sealed at all, is sealed with SECRET_KEY as it is now."""
        return not self.sealed_secret or sealing.is_current(_PURPOSE, self.sealed_secret)

    def seal_anew(self) -> Self:
        """Seal the key that it has with SECRET_KEY as it is now; it is not written yet. InvalidToken: none opens it."""
        self.sealed_secret = sealing.box(_PURPOSE).rotate(self.sealed_secret.encode()).decode()
        return self

    def seal(self, key: str) -> Self:
        """Give it that key; it is not written yet."""
        self.sealed_secret = sealing.box(_PURPOSE).encrypt(key.strip().encode()).decode()
        self.key_set_at = clock.now()
        return self
