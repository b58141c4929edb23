"""Creates that a client may send again without saying which it means."""

from django.db import models
from django.db.models import Index

from keys.models import VirtualKey
from tasks.models import Task


class RepeatableCreate(models.Model):
    """A create on OpenAI's wire, kept for as long as its client may repeat it (videos.dialects.openai.repeats)."""

    task = models.OneToOneField(Task, on_delete=models.CASCADE, primary_key=True, related_name="+")
    key = models.ForeignKey(VirtualKey, on_delete=models.CASCADE, db_index=False, related_name="+")
    fields_hash = models.CharField(max_length=64, help_text="SHA-256 of what was asked for.")
    retry_count = models.PositiveSmallIntegerField(help_text="Which try of its call made it: 0 is the first.")
    answered = models.PositiveSmallIntegerField(default=0, help_text="The later tries that were answered with it, a bit for each count.")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [Index(fields=["key", "fields_hash", "created_at"], name="repeatable_create")]

    def __str__(self) -> str:
        return f"try {self.retry_count} of {self.task_id}"
