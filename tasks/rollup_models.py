"""What ticks count of the events of tasks (tasks.rollups)."""

from django.db import models

from conduit.rollups.models import Stepped, Timed, once


class TaskCount(Stepped):
    """How many tasks got to a status within a step; of failed ones, by their cause."""

    status = models.CharField(max_length=10, help_text="Queued: created.")
    model = models.CharField(max_length=100, help_text="The name that was asked for.")
    error_code = models.CharField(max_length=40, blank=True)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [once("status", "model", "error_code", name="task_count_once")]


class TaskTime(Timed):
    """How long tasks waited that were begun within a step, and how long those took that were completed in it."""

    class What(models.TextChoices):
        QUEUED = "queued", "from its creation until MiniMax accepted it"
        DONE = "done", "from its creation until it was completed"

    what = models.CharField(max_length=10, choices=What)
    model = models.CharField(max_length=100, help_text="The name that was asked for.")

    class Meta:
        constraints = [once("what", "model", "bucket", name="task_time_once")]
