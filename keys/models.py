"""Virtual keys and the ledger of what they cost."""

from decimal import Decimal
from typing import Any, ClassVar, NoReturn

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from conduit import clock
from keys.client_token_models import ClientToken, ClientTokenTask  # noqa: F401 - tables of this app
from keys.rollup_models import MoneyCount, MoneyOfDay, MoneyOfMonth  # noqa: F401 - tables of this app

# The most of a price factor: a price times it still fits the column of a task's price.
PRICE_FACTOR_MOST = Decimal(50)
# How many times another's share one may have, and the classes by which some are served before others.
WEIGHT_MOST, PRIORITY_MOST = 100, 2


class OverLimit(models.TextChoices):
    """What becomes of a task beyond the number that a key may have in flight."""

    REFUSE = "refuse", "is refused"
    QUEUE = "queue", "waits until another of the key ends"


def _weight(words: str) -> "models.PositiveSmallIntegerField[int, int]":
    bounds = [MinValueValidator(1), MaxValueValidator(WEIGHT_MOST)]
    return models.PositiveSmallIntegerField(default=1, db_default=1, validators=bounds, help_text=words)


def _sound_weight(name: str) -> CheckConstraint:
    return CheckConstraint(condition=Q(weight__gte=1, weight__lte=WEIGHT_MOST), name=name)


def _price_factor(words: str) -> "models.DecimalField[Decimal | None, Decimal | None]":
    return models.DecimalField(max_digits=6, decimal_places=4, null=True, blank=True, help_text=words)


def _sound_price_factor(name: str) -> CheckConstraint:
    return CheckConstraint(condition=Q(price_factor=None) | Q(price_factor__gt=0, price_factor__lte=PRICE_FACTOR_MOST), name=name)


_CONTACT = "Gets mail about it: of its budgets, of keys that are about to end, of webhooks that stop. Empty: its team's does, or nobody."


def _contact_email() -> "models.EmailField[str, str]":
    return models.EmailField(blank=True, default="", db_default="", help_text=_CONTACT)


class Team(models.Model):
    """A group of keys that share budgets."""

    name = models.CharField(max_length=100, unique=True)
    price_factor = _price_factor("What its keys pay, as a multiple of the list price, such as 0.8. Empty: 1. A key may have its own.")
    weight = _weight(f"Its share of scarce creates at MiniMax, beside other teams and keys without one (1 to {WEIGHT_MOST}).")
    contact_email = _contact_email()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [_sound_price_factor("team_price_factor_is_sound"), _sound_weight("team_weight_in_range")]

    def __str__(self) -> str:
        return self.name


class VirtualKey(models.Model):
    """What an API consumer is known by, and what it may do. An empty limit does not limit.

    Its secrets are rows of their own (KeySecret), so that two can work while one is rotated away.
    """

    name = models.CharField(max_length=100)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="keys")
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on the key is refused. Empty: never.")
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Refused for good; its history stays.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    budgeted = models.BooleanField(default=False, editable=False, help_text="Has, or had, budgets of its own: a create asks for none else.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)

    creates_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Calls that create, retry or estimate.")
    creates_per_day = models.PositiveIntegerField(null=True, blank=True, help_text="Calls that create, retry or estimate.")
    reads_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="All other calls. Empty: the setting's.")
    tasks_in_flight = models.PositiveIntegerField(null=True, blank=True, help_text="Queued and processing ones at once.")
    over_limit = models.CharField(
        max_length=6,
        choices=OverLimit,
        default=OverLimit.REFUSE,
        db_default=OverLimit.REFUSE,
        help_text="What becomes of a task beyond those in flight.",
    )
    queue_max = models.PositiveIntegerField(null=True, blank=True, help_text="Tasks that may wait so at most. Empty: any number.")
    results_kept_days = models.PositiveIntegerField(null=True, blank=True, help_text="Then results are deleted. Empty: the setting's.")
    prompts_kept_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Then prompts and metadata are deleted. Empty: the setting's."
    )
    tasks_per_hour = models.PositiveIntegerField(null=True, blank=True, help_text="Created within sixty minutes.")
    longest_seconds = models.PositiveIntegerField(null=True, blank=True, help_text="Duration of one video.")
    largest_resolution = models.CharField(max_length=10, blank=True, help_text="Such as 1280x720: no more pixels than this.")
    highest_price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True, help_text="USD of one task.")
    price_factor = _price_factor("What it pays, as a multiple of the list price, such as 0.8. Empty: its team's, or 1.")
    weight = _weight(f"Its share of scarce creates at MiniMax, beside its team's other keys (1 to {WEIGHT_MOST}).")
    priority = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(PRIORITY_MOST)],
        help_text=f"0 to {PRIORITY_MOST}: while MiniMax's creates are scarce, a higher class has four times the share of the one below it.",
    )
    model_names = models.JSONField(
        default=list, blank=True, help_text='Names of the models it may use, such as ["minimax-video"]. Empty: all.'
    )
    ip_ranges = models.JSONField(default=list, blank=True, help_text='Where it may be used from, such as ["10.0.0.0/8"]. Empty: anywhere.')
    contact_email = _contact_email()

    # REST framework asks its `request.user` whether somebody was authenticated.
    is_authenticated: ClassVar[bool] = True
    # The client token that a call came with, and none of the key's own secrets: code that is handed the key is handed its bounds.
    client_token: ClientToken | None = None
    # Which state of its row this is, where the code that read it knows (keys.locks.still_as_read).
    row_version: str | None = None

    class Meta:
        verbose_name = "virtual key"
        ordering = ["-id"]
        constraints = [
            _sound_price_factor("key_price_factor_is_sound"),
            _sound_weight("key_weight_in_range"),
            CheckConstraint(condition=Q(priority__lte=PRIORITY_MOST), name="key_priority_in_range"),
            CheckConstraint(condition=Q(over_limit__in=["refuse", "queue"]), name="key_over_limit_is_known"),
        ]
        # keys.conditions.EXPIRING
        indexes = [models.Index(fields=["expires_at"], condition=Q(expires_at__isnull=False, deleted_at=None), name="key_expires")]

    def __str__(self) -> str:
        return self.name


class KeySecret(models.Model):
    """One secret of a key, known by its hash. The secret itself is shown once and never stored."""

    key = models.ForeignKey(VirtualKey, on_delete=models.CASCADE, related_name="secrets")
    prefix = models.CharField(max_length=16, help_text="The start of the secret, to tell secrets apart.")
    secret_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret, in hex.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="The end of its grace time after a rotation.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "key secret"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix}…"


class Period(models.TextChoices):
    TOTAL = "total"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Budget(models.Model):
    """What a key, or all keys of a team together, may spend in a period: held and spent money count alike."""

    key = models.ForeignKey(VirtualKey, null=True, blank=True, on_delete=models.CASCADE, related_name="budgets")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="budgets")
    period = models.CharField(max_length=10, choices=Period)
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Where its days begin, such as Europe/Berlin.")
    amount = models.DecimalField(max_digits=12, decimal_places=4, help_text="USD in each period.")
    raised_to = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True, help_text="USD, until the raise ends.")
    raised_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            CheckConstraint(condition=Q(key=None) ^ Q(team=None), name="budget_of_a_key_or_of_a_team"),
            CheckConstraint(condition=Q(amount__gte=0), name="budget_is_not_negative"),
            CheckConstraint(
                condition=Q(raised_to=None, raised_until=None) | Q(raised_to__isnull=False, raised_until__isnull=False),
                name="budget_raise_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period} budget of {self.amount} USD"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With the key's first budget the key says that it has one, in the same transaction."""
        if self._state.adding and self.key and not self.key.budgeted:
            self.key.budgeted = True
            self.key.save(update_fields=["budgeted"])
        super().save(*args, **kwargs)


class BudgetWindow(models.Model):
    """One period of a budget: the counters that holds are checked against.

    Each is the sum of the ledger's rows of the budget's owner that count within the period (keys.ledger.EFFECTS), whenever
    the budget was made. They have more digits than any row, so that no sum of rows is too large for them.
    """

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="windows")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it has no end.")
    held = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    spent = models.DecimalField(max_digits=20, decimal_places=4, default=0, help_text="Negative where more was credited than spent.")

    class Meta:
        ordering = ["id"]
        constraints = [
            UniqueConstraint(fields=["budget", "starts_at"], name="window_once_per_budget_and_start"),
            CheckConstraint(condition=Q(held__gte=0), name="window_holds_nothing_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.budget}, from {self.starts_at:%Y-%m-%d %H:%M} UTC: {self.held} held, {self.spent} spent"


class BudgetAlert(models.Model):
    """A budget's period whose use reached a soft threshold of the limit in force: an event for the console, once for each."""

    window = models.ForeignKey(BudgetWindow, on_delete=models.CASCADE, related_name="alerts")
    percent = models.PositiveSmallIntegerField()
    limit = models.DecimalField(max_digits=12, decimal_places=4, help_text="USD: what it is the percentage of.")
    created_at = models.DateTimeField(default=clock.now)
    is_to_be_told = models.BooleanField(default=True, db_default=True, help_text="Nobody was told of it yet (notifications.key_sources).")

    class Meta:
        verbose_name = "budget alert"
        ordering = ["-id"]
        constraints = [UniqueConstraint(fields=["window", "percent", "limit"], name="alert_once_per_window_threshold_and_limit")]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(percent=90), name="alert_near"),  # keys.budget_uses.near
            models.Index(fields=["id"], condition=Q(is_to_be_told=True), name="alert_to_be_told"),  # notifications.key_sources
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.limit} USD passed"


class AppendOnly(models.QuerySet[Any]):
    """Rows that are written once."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError(self.model.NEVER_CHANGED)

    def delete(self) -> NoReturn:
        raise TypeError(self.model.NEVER_CHANGED)


class WrittenOnce(models.Model):
    """A row that nobody changes or deletes afterwards."""

    NEVER_CHANGED: ClassVar[str] = "this row is never changed or deleted: write the row that corrects it"

    objects = models.Manager.from_queryset(AppendOnly)()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(self.NEVER_CHANGED)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(self.NEVER_CHANGED)


class UsageCost(WrittenOnce):
    """One movement of money: append-only.

    A hold reserves the price when a task is created; when the task ends it is resolved once, into what is captured
    (charged) and what is released (given back): hold = capture + release for every ended task. Refunds give back what was
    captured; credits and adjustments belong to no task.

    A row counts in the budgets of its key, and in those of the team that the key was in at the time, in the periods that
    hold `counted_at`: a key that joins a team brings no debts, and takes none along when it leaves. Both are the hold's for
    every row of a task.
    """

    class Entry(models.TextChoices):
        HOLD = "hold"
        CAPTURE = "capture"
        RELEASE = "release"
        REFUND = "refund"
        CREDIT = "credit"
        ADJUSTMENT = "adjustment"

    ONCE_PER_TASK = (Entry.HOLD, Entry.CAPTURE, Entry.RELEASE, Entry.REFUND)

    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, related_name="usage_costs")
    task_id = models.UUIDField(null=True, blank=True, help_text="The task's plain id: this room knows no tasks.")
    task_kind = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=100, blank=True)
    entry = models.CharField(max_length=10, choices=Entry)
    amount = models.DecimalField(max_digits=12, decimal_places=4, help_text="Never negative, but for an adjustment.")
    currency = models.CharField(max_length=3, default="USD")
    team_id = models.BigIntegerField(
        null=True, blank=True, help_text="The team whose budgets it counts in, by its plain id: the team may be gone since. Empty: none."
    )
    counted_at = models.DateTimeField(default=clock.now, help_text="It counts in the periods that hold this moment.")
    form_id = models.UUIDField(
        null=True, blank=True, unique=True, help_text="Of the form that added it: one that is sent twice adds one row."
    )
    who = models.CharField(max_length=150, blank=True, help_text="The administrator or management key; empty: the task's own life.")
    why = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    NEVER_CHANGED = "a ledger row is never changed or deleted: write the row that corrects it"

    class Meta:
        verbose_name = "usage cost"
        ordering = ["-id"]
        constraints = [
            UniqueConstraint(
                fields=["task_id", "entry"],
                condition=Q(entry__in=["hold", "capture", "release", "refund"]),
                name="cost_each_entry_once_per_task",
            ),
            CheckConstraint(condition=Q(amount__gte=0) | Q(entry="adjustment"), name="cost_is_not_negative"),
            CheckConstraint(
                condition=Q(entry__in=["hold", "capture", "release", "refund", "credit", "adjustment"]), name="cost_entry_is_known"
            ),
            CheckConstraint(condition=Q(task_id__isnull=False) | Q(entry__in=["credit", "adjustment"]), name="cost_of_a_task_names_it"),
        ]
        indexes = [
            models.Index(fields=["key", "created_at"], name="cost_of_key"),  # usage reports
            # ledger.count: what a new budget has to count already.
            models.Index(fields=["key", "counted_at"], name="cost_counted_of_key"),
            models.Index(fields=["team_id", "counted_at"], condition=Q(team_id__isnull=False), name="cost_counted_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.entry} {self.amount} {self.currency}"


class Scope(models.TextChoices):
    """What a management key may do."""

    READ = "read", "read everything"
    OPERATE = "operate", "cancel and retry tasks, stop and resume work"
    KEYS = "keys", "make, change and delete keys and teams"
    MONEY = "money", "change budgets and price factors"


def all_scopes() -> list[str]:
    return list(Scope.values)


class ManagementKey(models.Model):
    """What a program is known by that manages keys, teams and budgets: a secret with a prefix of its own. An empty limit does not limit."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=24, editable=False)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the secret, in hex.")
    old_secret_hash = models.CharField(
        max_length=64,
        unique=True,
        null=True,
        blank=True,
        editable=False,
        help_text="Of the secret before it, for its grace time.",
    )
    old_secret_ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on the key is refused. Empty: never.")
    scopes = models.JSONField(default=all_scopes)
    ip_ranges = models.JSONField(default=list, blank=True, help_text='Where it may be used from, such as ["10.0.0.0/8"]. Empty: anywhere.')
    calls_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the setting's.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    is_authenticated: ClassVar[bool] = True

    class Meta:
        verbose_name = "management key"
        ordering = ["-id"]
        constraints = [
            CheckConstraint(
                condition=Q(old_secret_hash=None, old_secret_ends_at=None)
                | Q(old_secret_hash__isnull=False, old_secret_ends_at__isnull=False),
                name="management_key_old_secret_has_an_end",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(WrittenOnce):
    """Who changed what, from where. Written in the transaction of the change (keys.audit), read by keys.audit_search.

    Nobody changes or deletes one: PostgreSQL itself refuses it.
    """

    who = models.CharField(max_length=150, help_text="An account's name, a management key's name and prefix, or who ran which command.")
    actor = models.CharField(max_length=60, blank=True, help_text="The same as a row, such as user:3. Empty: neither account nor key.")
    address = models.CharField(max_length=100, blank=True, help_text="The client's address; of a command the host. Empty: no one's.")
    action = models.CharField(max_length=40)
    target = models.CharField(max_length=100, help_text="Such as key:12.")
    target_kind = models.CharField(max_length=60, editable=False, help_text="What of the target is before the colon.")
    target_name = models.CharField(max_length=150, blank=True, help_text="What the target was called at the time.")
    changes = models.JSONField(
        default=dict, blank=True, help_text="Of what was made or deleted its values; of what was changed [before, after]."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    NEVER_CHANGED = "an audit row is never changed or deleted"

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        # keys.audit_search: each filter by pairs of its value and an id, and by time.
        indexes = [
            models.Index(fields=["target", "id"], name="audit_of_target"),
            models.Index(fields=["who", "id"], name="audit_of_who"),
            models.Index(fields=["address", "id"], name="audit_from_address"),
            models.Index(fields=["action", "id"], name="audit_of_action"),
            models.Index(fields=["target_kind", "id"], name="audit_of_kind"),
            models.Index(fields=["created_at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.target_kind = self.target.partition(":")[0]
        super().save(*args, **kwargs)
