"""Sheets of a result's pictures, each made when it was first asked for."""

from datetime import datetime

from django.db import models
from django.db.models import CheckConstraint, Index, Q

from tasks.models import Task
from videos.links import StoredFile

# So often the work is begun for one sheet before it is given up.
TRIES_MAX = 3


class SpritesheetQuerySet(models.QuerySet["Spritesheet"]):
    def due(self, now: datetime) -> "SpritesheetQuerySet":
        """Those that somebody is to make, and nobody makes at this moment."""
        return self.filter(due_at__lte=now)

    def awaited(self) -> "SpritesheetQuerySet":
        """Those that are to be made, or being made."""
        return self.filter(due_at__isnull=False)


class Spritesheet(models.Model):
    """The sheet of one video: asked for, being made, there, or given up (videos.sheets)."""

    task = models.OneToOneField(Task, on_delete=models.CASCADE, primary_key=True, related_name="+")
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is to be made; while it is being made, when another may take it up. Empty: it is over."
    )
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often it was begun.")
    file = models.CharField(max_length=200, blank=True, help_text="Name in the storage.")
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)

    objects = models.Manager.from_queryset(SpritesheetQuerySet)()

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(file="") | Q(due_at=None, size_bytes__gt=0), name="spritesheet_there_is_awaited_no_more"),
        ]
        indexes = [Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="spritesheet_due")]  # SpritesheetQuerySet.due

    def __str__(self) -> str:
        return f"spritesheet of {self.task_id}"

    @property
    def is_given_up(self) -> bool:
        return not self.file and self.due_at is None

    @property
    def stored_file(self) -> StoredFile | None:
        if not self.file or not self.size_bytes:
            return None
        etag = f'"{self.file.rsplit("-", 1)[-1]}"'
        return StoredFile(self.file, self.size_bytes, "image/jpeg", etag, f"conduit-{self.task_id}-spritesheet.jpg")
