"""What is kept of roles."""

from django.contrib.auth.models import Group
from django.db import models


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
