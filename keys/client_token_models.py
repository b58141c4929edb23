"""Client tokens, and which tasks each made."""

from django.db import models
from django.db.models import CheckConstraint, Q

from conduit import clock


class ClientToken(models.Model):
    """A secret of minutes that opens less than the key does whose secret made it, known by its hash. It ends with that secret."""

    secret = models.ForeignKey("keys.KeySecret", on_delete=models.CASCADE, related_name="client_tokens")
    prefix = models.CharField(max_length=16, help_text="The start of the token, to tell tokens apart.")
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, in hex.")
    task_id = models.UUIDField(null=True, blank=True, help_text="The one task that it reads, by its plain id. Empty: all of the key.")
    creates = models.BooleanField(default=False, help_text="Whether it makes tasks, within what stands below.")
    tasks_max = models.PositiveIntegerField(null=True, blank=True, help_text="Tasks that it may make.")
    usd_max = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True, help_text="USD of them. Empty: what the key may.")
    model_names = models.JSONField(default=list, blank=True, help_text="Models that it may use. Empty: those of the key.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "client token"
        ordering = ["-id"]
        default_permissions = ()  # people who may see a key see its tokens, and those who may change it end them
        constraints = [
            CheckConstraint(
                condition=Q(creates=True, tasks_max__gte=1, task_id=None) | Q(creates=False, tasks_max=None, usd_max=None),
                name="client_token_has_bounds_when_it_creates",
            )
        ]
        indexes = [models.Index(fields=["expires_at"], name="client_token_ended")]  # keys.client_tokens.forget_ended

    def __str__(self) -> str:
        return f"{self.prefix}…"


class ClientTokenTask(models.Model):
    """That a token made a task: written with the task, and counted before the next one is."""

    task_id = models.UUIDField(primary_key=True, help_text="The task's plain id: this room knows no tasks.")
    token = models.ForeignKey(ClientToken, on_delete=models.CASCADE, related_name="made")

    class Meta:
        verbose_name = "task of a client token"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.task_id} of {self.token_id}"
