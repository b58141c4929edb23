"""Tasks with what a list says of each video, many at once."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Case, Count, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from tasks.models import ACTIVE, Task
from videos.exchange_models import Exchange
from videos.models import Clip, ClipState
from videos.stages import WAITS


def overview(task_ids: Collection[UUID]) -> QuerySet[Task]:
    """These tasks in one query, each with its key, team and video, and with

    - `clips_ready`: how many clips of the video are made, fetched and looked into,
    - `refused_with`: MiniMax's own code in its newest refusal, of a task that waits; else None.
    """
    waits = Q(status__in=ACTIVE, stage__in=list(WAITS))
    refusals = Exchange.objects.filter(video=OuterRef("pk"), is_error=True, code__isnull=False).order_by("-last_at", "-id")
    ready = Clip.objects.filter(video=OuterRef("pk"), makes=Clip.Makes.VIDEO, state=ClipState.READY).order_by()
    counted = ready.values("video").annotate(count=Count("pk")).values("count")
    return (
        Task.objects.filter(pk__in=task_ids)
        .select_related("key", "team", "video")
        .annotate(
            clips_ready=Case(When(status__in=ACTIVE, then=Coalesce(Subquery(counted), 0)), default=0, output_field=IntegerField()),
            refused_with=Case(When(waits, then=Subquery(refusals.values("code")[:1])), default=None, output_field=IntegerField()),
        )
    )
