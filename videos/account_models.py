"""Accounts at MiniMax."""

from datetime import timedelta
from decimal import Decimal
from typing import Self

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from conduit import clock, sealing

WEIGHT_MOST = 100
_PURPOSE = "videos.accounts"


class AccountKind(models.TextChoices):
    """What is spoken at an account's address."""

    MINIMAX_V1 = "minimax_v1", "MiniMax, version 1 (video-01, Hailuo, images)"
    MINIMAX_V2 = "minimax_v2", "MiniMax, version 2 (H3)"


class AccountState(models.TextChoices):
    """What is done with an account."""

    ON = "on"
    DRAINING = "draining", "draining: nothing new is ordered, what it makes is waited for"
    OFF = "off", "off: it is not called, jobs that it has wait"


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def environments(self, kind: str) -> "ProviderAccount | None":
        """The one whose key and address the environment names."""
        return self.filter(kind=kind, from_environment=True).first()


class ProviderAccount(models.Model):
    """An account at MiniMax, or at who resells it. Its key is sealed, and never shown again."""

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
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(ProviderAccountQuerySet)()

    class Meta:
        verbose_name = "MiniMax account"
        ordering = ["name"]
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
            return settings.MINIMAX_API_KEY
        try:
            return sealing.box(_PURPOSE).decrypt(self.sealed_secret.encode()).decode() if self.sealed_secret else ""
        except InvalidToken:
            return ""

    @property
    def is_bounded(self) -> bool:
        """Whether orders have to be counted."""
        return bool(self.interval or self.jobs_in_flight or self.monthly_limit is not None)

    @property
    def interval(self) -> timedelta | None:
        """Between two orders; None: as quick as they come."""
        return timedelta(seconds=60 / self.creates_per_minute) if self.creates_per_minute else None

    def seal(self, key: str) -> Self:
        """Give it that key; it is not written yet."""
        self.sealed_secret = sealing.box(_PURPOSE).encrypt(key.strip().encode()).decode()
        self.key_set_at = clock.now()
        return self
