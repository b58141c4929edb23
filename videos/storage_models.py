"""Walks through the storage, and what they found."""

from django.db import models


class StorageWalk(models.Model):
    """One walk through everything that is stored of tasks, in many short pieces (videos.orphans)."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it had come to the end; empty: it is under way.")
    after = models.CharField(max_length=200, blank=True, help_text="The folder that it came to last.")
    removed = models.PositiveIntegerField(default=0, help_text="Files that no row named, and that it removed.")
    unknown = models.PositiveIntegerField(default=0, help_text="Folders of tasks that the database does not know.")

    def __str__(self) -> str:
        return f"walk since {self.began_at:%Y-%m-%d %H:%M}"
