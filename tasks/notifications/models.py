"""Who is told, what happened, and what came of telling it."""

from datetime import datetime
from typing import Self
from uuid import uuid4

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from conduit import clock, traces
from conduit.conditions.models import SUBJECT_CHARACTERS
from conduit.outbound.urls import URL_CHARACTERS
from keys.models import Team, VirtualKey

NAME_CHARACTERS = 100
HINT_CHARACTERS, WORDS_CHARACTERS = 20, 200
TARGET_CHARACTERS = 320
TYPE_CHARACTERS = 60
# Of a receiver's answer, as the log shows it.
HEAD_CHARACTERS = 1000


def new_endpoint_id() -> str:
    return f"we_{uuid4().hex}"


def new_message_id() -> str:
    """What receivers know a message by, through all tries. It holds no dot, which is what parts it from the rest that is signed."""
    return f"evt_{uuid4().hex}"


class Signing(models.Model):
    """A secret that messages are signed with, and the one before it for its grace time. Both rest sealed (notifications.signing)."""

    sealed_secret = models.TextField(editable=False)
    secret_hint = models.CharField(max_length=HINT_CHARACTERS, editable=False, help_text="Its end, to tell it from others.")
    old_sealed_secret = models.TextField(blank=True, default="", editable=False)
    old_secret_ends_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class KeySigning(Signing):
    """What a key's own webhooks are signed with, those that its calls name by `webhook_url`."""

    key = models.OneToOneField(VirtualKey, primary_key=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "webhook secret"

    def __str__(self) -> str:
        return self.secret_hint


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def of_key(self, key: VirtualKey) -> Self:
        return self.filter(key=key)

    def told_of(self, key_ids: set[int], team_ids: set[int]) -> Self:
        """Those that are told of what happens to these keys and teams, the whole place's among them."""
        living = Q(key=None) | Q(key__deleted_at=None)
        whose = Q(key_id__in=key_ids) | Q(team_id__in=team_ids) | Q(key=None, team=None)
        return self.filter(whose & living, disabled_at=None)


class Endpoint(Signing):
    """An address that is told of a key's, a team's or everybody's events."""

    public_id = models.CharField(max_length=40, unique=True, default=new_endpoint_id, editable=False)
    name = models.CharField(max_length=NAME_CHARACTERS)
    url = models.CharField(max_length=URL_CHARACTERS)
    event_types = models.JSONField(default=list)
    key = models.ForeignKey(VirtualKey, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_endpoints")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_endpoints")
    wants_tasks = models.BooleanField(default=False, editable=False, help_text="Some of its types are about tasks.")
    wants_progress = models.BooleanField(default=False, editable=False, help_text="Their progress is among them.")

    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_for = models.CharField(max_length=WORDS_CHARACTERS, blank=True, default="", help_text="Why, in a sentence.")
    failing_since = models.DateTimeField(null=True, blank=True, editable=False, help_text="Of the first failure since its last success.")
    tried_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="While it fails: when it was last called.")
    succeeded_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(EndpointQuerySet)()

    class Meta:
        verbose_name = "webhook endpoint"
        permissions = [("send_webhooks", "Can test webhook endpoints and send webhooks again")]
        ordering = ["-id"]
        constraints = [CheckConstraint(condition=Q(key=None) | Q(team=None), name="endpoint_of_a_key_a_team_or_the_place")]
        indexes = [
            # notifications.outbox.wanted: asked in the statement that writes a task's event.
            Index(fields=["key"], condition=Q(wants_tasks=True, disabled_at=None), name="endpoint_of_key_told"),
            Index(fields=["team"], condition=Q(wants_tasks=True, disabled_at=None), name="endpoint_of_team_told"),
            # notifications.knocking
            Index(fields=["tried_at"], condition=Q(failing_since__isnull=False, disabled_at=None), name="endpoint_failing"),
            Index(fields=["id"], condition=Q(wants_progress=True, disabled_at=None), name="endpoint_told_of_progress"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def target(self) -> str:
        """The receiver, as its deliveries name it."""
        return self.public_id

    @property
    def is_place(self) -> bool:
        """Whether it is told of everybody's."""
        return self.key_id is None and self.team_id is None

    @property
    def owner(self) -> str:
        """Whose it is, for people."""
        return f"key {self.key}" if self.key else f"team {self.team}" if self.team else "the whole place"


class AudienceVersion(models.Model):
    """One row, of which PostgreSQL makes another version with each change of whose tasks endpoints are told of (notifications.audience)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.UUIDField()

    class Meta:
        default_permissions = ()
        constraints = [CheckConstraint(condition=Q(id=1), name="audience_has_one_version")]

    def __str__(self) -> str:
        return str(self.version)


class TaskTarget(models.Model):
    """Where one task's events go, because the call that made it said so."""

    task_id = models.UUIDField(primary_key=True, help_text="The task's plain id.")
    key = models.ForeignKey(VirtualKey, on_delete=models.CASCADE, related_name="+")
    url = models.CharField(max_length=URL_CHARACTERS)
    event_types = models.JSONField(default=list)
    wants_progress = models.BooleanField(default=False)
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When it answered that nothing is there any more.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        indexes = [Index(fields=["created_at"], name="task_target_age")]  # notifications.retention

    def __str__(self) -> str:
        return f"webhook of task {self.task_id}"


class FailingHost(models.Model):
    """A host that one key's tasks have their own webhooks sent to, while it fails: what an endpoint has columns for."""

    target = models.CharField(primary_key=True, max_length=TARGET_CHARACTERS, help_text="The receiver, as its deliveries name it.")
    failing_since = models.DateTimeField(help_text="Of the first failure since its last success.")
    tried_at = models.DateTimeField(help_text="When it was last called.")

    class Meta:
        indexes = [Index(fields=["tried_at"], name="host_failing")]  # notifications.knocking

    def __str__(self) -> str:
        return self.target


class Message(models.Model):
    """Something that happened and that somebody is told of: made once, however many are told."""

    id = models.CharField(primary_key=True, max_length=40, default=new_message_id, editable=False)
    type = models.CharField(max_length=TYPE_CHARACTERS)
    source = models.CharField(max_length=40, help_text="Who knows what it is about (notifications.sources).")
    source_id = models.CharField(max_length=100, blank=True, help_text="By which the source finds it.")
    facts = models.JSONField(default=dict, blank=True, help_text="What the source's rows will not tell any more.")
    key_id = models.BigIntegerField(null=True, blank=True)
    team_id = models.BigIntegerField(null=True, blank=True)
    task_id = models.UUIDField(null=True, blank=True)
    once = models.CharField(max_length=200, null=True, blank=True, help_text="What happens once under this name.")  # noqa: DJ001 - unique
    is_test = models.BooleanField(default=False)
    traceparent = models.CharField(max_length=traces.CHARACTERS, blank=True, default="", db_default="", help_text="Its task's W3C trace.")
    happened_at = models.DateTimeField()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [UniqueConstraint(fields=["once"], name="message_happens_once")]
        indexes = [Index(fields=["created_at"], name="message_age")]  # notifications.retention

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class State(models.TextChoices):
    PENDING = "pending", "waits"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "given up"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def pending(self) -> Self:
        return self.filter(state=State.PENDING)

    def unleased(self, now: datetime) -> Self:
        """Those that nobody living tries right now."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lte=now))


class Delivery(models.Model):
    """A message on its way to one receiver."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(Endpoint, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    target = models.CharField(max_length=TARGET_CHARACTERS, help_text="The receiver that it shares connections and order with others of.")
    task_id = models.UUIDField(null=True, blank=True, help_text="Those of one task go one after the other.")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Tries whose end was heard.")
    next_try_at = models.DateTimeField(default=clock.now)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the newest answer.")
    problem = models.CharField(max_length=WORDS_CHARACTERS, blank=True, default="", help_text="Why it has not arrived, in a sentence.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(DeliveryQuerySet)()

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        constraints = [
            UniqueConstraint(fields=["message", "target"], name="delivery_once_per_message_and_receiver"),
            CheckConstraint(
                condition=Q(state="pending", ended_at=None) | Q(state__in=["delivered", "failed"], ended_at__isnull=False),
                name="delivery_has_ended_or_is_pending",
            ),
        ]
        indexes = [
            # notifications.claims: of each receiver what is due, what is under way, and what a task's next one waits for.
            Index(fields=["target", "next_try_at", "id"], condition=Q(state="pending"), name="delivery_due"),
            Index(fields=["next_try_at"], condition=Q(state="pending", attempts=0), name="delivery_untried"),  # claims.oldest_due
            Index(fields=["target", "lease_until"], condition=Q(state="pending", lease_until__isnull=False), name="delivery_under_way"),
            Index(fields=["target", "task_id", "id"], condition=Q(state="pending", task_id__isnull=False), name="delivery_of_task"),
            Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),  # the log
            Index(fields=["task_id", "-id"], condition=Q(task_id__isnull=False), name="delivery_about_task"),  # the log
            Index(fields=["endpoint", "state", "-id"], name="delivery_of_endpoint_by_state"),  # the log
        ]

    def __str__(self) -> str:
        return f"{self.message_id} to {self.target}"


class Try(models.Model):
    """One call of a receiver, as the log shows it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    began_at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: no answer came.")
    problem = models.CharField(max_length=WORDS_CHARACTERS, blank=True, default="")
    head = models.CharField(max_length=HEAD_CHARACTERS, blank=True, default="", help_text="How the answer's body begins.")

    class Meta:
        verbose_name_plural = "tries"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status_code or self.problem}"

    @property
    def arrived(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


class Mail(models.Model):
    """A mail, written when what it tells of happened."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=clock.now)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=WORDS_CHARACTERS, blank=True, default="", help_text="Why it was not sent, in a few words.")
    once = models.CharField(max_length=200, null=True, blank=True, help_text="What is told but once under this name.")  # noqa: DJ001 - unique
    created_at = models.DateTimeField(default=clock.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [UniqueConstraint(fields=["once"], name="mail_is_written_once")]
        indexes = [
            Index(fields=["next_try_at"], condition=Q(state="pending"), name="mail_due"),
            Index(fields=["created_at"], name="mail_age"),  # notifications.retention
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"


class Alert(models.Model):
    """A trouble of the place that operators were told of, until it has been over for a while (notifications.alerts)."""

    name = models.CharField(max_length=60)
    subject = models.CharField(max_length=SUBJECT_CHARACTERS, blank=True)
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [UniqueConstraint(fields=["name", "subject"], name="alert_once_per_condition_and_subject")]

    def __str__(self) -> str:
        return f"{self.name} {self.subject}".strip()
