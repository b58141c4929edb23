"""Where the lines stand in which tasks wait: what each key had of its share, and what the next to come has to expect."""

from django.db import models
from django.db.models import UniqueConstraint


class Share(models.Model):
    """What a key, a team or a class had of a line's service, as a moment of virtual time (tasks.shares). Gone while nobody waits."""

    line = models.CharField(max_length=40)
    node = models.CharField(max_length=60, blank=True, help_text="Its path in the tree of shares; empty: the root.")
    start = models.FloatField(default=0, help_text="Of the virtual time above it: when its next service begins.")
    now = models.FloatField(default=0, help_text="The virtual time of those below it.")

    class Meta:
        default_permissions = ()
        constraints = [UniqueConstraint(fields=["line", "node"], name="share_once_per_line_and_node")]

    def __str__(self) -> str:
        return f"{self.line} {self.node}"


class Outlook(models.Model):
    """What a further task of a key has to expect of the lines that it would stand in; of number 0, one of a key that has none there.

    Written by the process that surveys the lines (tasks.outlooks), read by creates. Gone while nobody waits.
    """

    key_id = models.BigIntegerField(primary_key=True)
    ends = models.JSONField(default=dict, help_text="By line: places and seconds until it would have its turn.")
    surveyed_id = models.UUIDField(null=True, help_text="Below the ids of all tasks that were made since.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"outlook of key {self.key_id}"
