"""What only an operator can put right, as the tasks themselves tell it."""

from django.db.models import Count

from tasks.models import Task
from videos.stages import OPERATOR_HAS_TO


def waiting_for_operator() -> dict[str, int]:
    """How many tasks wait in each stage that a wrong MiniMax key or an empty balance causes."""
    waiting = Task.objects.active().filter(stage__in=OPERATOR_HAS_TO).order_by()
    return dict(waiting.values_list("stage").annotate(Count("pk")))
