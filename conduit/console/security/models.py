"""What is kept of roles and of wrong passwords."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

from conduit import clock


class Role(models.Model):
    """A group that Conduit ships, and which of its rights were given to it so far: each once, so that a site keeps what it changed."""

    name = models.CharField(max_length=40, unique=True)
    group = models.OneToOneField(
        Group,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: the site has deleted it, and it does not come back.",
    )
    given = models.JSONField(default=list, help_text="Rights, such as tasks.cancel_task.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class LockKind(models.TextChoices):
    """Whose log-ins are not heard."""

    PAIR = "pair", "a name from an address"
    ADDRESS = "address", "an address"
    NAME = "name", "a name from anywhere"


class LockQuerySet(models.QuerySet["Lock"]):
    def active(self, now: datetime) -> Self:
        """Those whose end has not come."""
        return self.filter(until__gt=now)

    def on(self, *, name: str, address: str) -> Self:
        """Those that keep this name out when it comes from there."""
        pair = Q(kind=LockKind.PAIR, name=name, address=address)
        return self.filter(pair | Q(kind=LockKind.ADDRESS, address=address) | Q(kind=LockKind.NAME, name=name))


class Lock(models.Model):
    """Log-ins that are not heard for a while, after too many wrong passwords. The row goes with the lock; the audit keeps its story."""

    kind = models.CharField(max_length=10, choices=LockKind)
    name = models.CharField(max_length=255, blank=True, help_text="As it was typed.")
    is_known = models.BooleanField(default=False, help_text="Whether an account has that name: else it may be a password.")
    address = models.CharField(max_length=50, blank=True, help_text="Of IPv6 the /64 that one client has.")
    failures = models.PositiveIntegerField(help_text="Wrong passwords that led to it.")
    began_at = models.DateTimeField(default=clock.now)
    until = models.DateTimeField()

    objects = models.Manager.from_queryset(LockQuerySet)()

    class Meta:
        verbose_name = "locked log-in"
        default_permissions = ("view", "delete")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["kind", "name", "address"], name="lock_once_per_name_and_address")]

    def __str__(self) -> str:
        return " from ".join(filter(None, (self.name_shown, self.address)))

    @property
    def name_shown(self) -> str:
        """The name, where an account has it: people type passwords into its place."""
        return self.name if self.is_known or not self.name else "a name that no account has"


class LastAddress(models.Model):
    """Where an account last got in from: a lock of its name does not hold there."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=50)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.address
