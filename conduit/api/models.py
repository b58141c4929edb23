"""What the API itself remembers: the answers to calls that carried an Idempotency-Key."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint


class OwnerKind(models.TextChoices):
    """Who makes calls and sends forms that are done once."""

    KEY = "key", "a virtual key"
    MANAGEMENT_KEY = "management_key", "a management key"
    USER = "user", "an account of the console"


class KeptAnswerQuerySet(models.QuerySet["KeptAnswer"]):
    def expired(self, now: datetime) -> Self:
        return self.filter(expires_at__lte=now)


class KeptAnswer(models.Model):
    """A call that was claimed by an Idempotency-Key, and how it was answered: both are committed with what the call did."""

    owner = models.BigIntegerField(help_text="Whose call it was, by the plain id of its `owner_kind`: this room knows no keys.")
    # Processes of the release before write none: a day after it is gone there is no empty one left, and the constraint of calls can
    # have it. Until then no two kinds meet, for the path is in the call's hash, and no path is for two.
    owner_kind = models.CharField(
        max_length=20, choices=OwnerKind, blank=True, default="", db_default="", help_text="What `owner` is the id of. Empty: not noted."
    )
    call_hash = models.CharField(max_length=64, help_text="SHA-256 of the path and the Idempotency-Key, in hex.")
    body_hash = models.CharField(max_length=64, help_text="SHA-256 of the request's canonical body, in hex.")
    answer = models.JSONField(null=True, help_text="Its status, headers and body. Empty: claimed only, which binds nobody.")
    subject = models.UUIDField(null=True, help_text="What the call made, by its id, where its answer shows that.")
    expires_at = models.DateTimeField()

    objects = models.Manager.from_queryset(KeptAnswerQuerySet)()

    class Meta:
        verbose_name = "kept answer"
        constraints = [
            UniqueConstraint(fields=["owner", "call_hash"], name="answer_once_per_call"),
            CheckConstraint(condition=Q(owner_kind__in=["", *OwnerKind.values]), name="answer_owner_kind_is_known"),
        ]
        indexes = [
            Index(fields=["expires_at"], name="answer_expired"),  # KeptAnswerQuerySet.expired
            Index(
                fields=["subject"], condition=Q(subject__isnull=False), name="answer_of_subject"
            ),  # conduit.api.idempotency.forget_in_answers
        ]

    def __str__(self) -> str:
        return f"{self.call_hash[:12]}… until {self.expires_at:%Y-%m-%d %H:%M}"
