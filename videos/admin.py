from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

import videos.catalogue_admin  # noqa: F401 - the pages of models
from keys.admin import FoundByTask, ReadOnly
from tasks.admin import LeadsToTask
from videos.models import Clip, Timing, Video, VideoModel
from videos.planning import IMAGE_MODEL


class UpstreamFilter(admin.SimpleListFilter):
    """By MiniMax's models that there are. Django would read all rows for those that are in them."""

    title = "model at MiniMax"
    parameter_name = "upstream"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = {name for model in VideoModel.objects.all() for name in model.upstreams}
        return [(name, name) for name in sorted(names | {IMAGE_MODEL})]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(upstream=self.value()) if self.value() else rows


@admin.register(Video)
class VideoAdmin(LeadsToTask):
    list_display = ["id", "prompt_start", "asked", "status", "charged", "billed", "margin", "upstream"]
    list_filter = ["task__status", "resolution", UpstreamFilter]
    search_fields = ["task__id", "prompt"]
    list_select_related = ["task"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        return Video.objects.with_billed()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the money of all videos that the search and the filters leave above the list."""
        answer = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data and "cl" in answer.context_data:
            charged, billed = answer.context_data["cl"].queryset.money()
            answer.context_data["subtitle"] = (
                f"charged {charged:.4f} USD, MiniMax bills {billed:.4f} USD, margin {charged - billed:.4f} USD"
            )
        return answer

    @admin.display(description="task", ordering="pk")
    def id(self, video: Video) -> UUID:
        return video.pk

    @admin.display(description="prompt")
    def prompt_start(self, video: Video) -> str:
        return video.prompt[:80]

    @admin.display(description="asked for", ordering="duration")
    def asked(self, video: Video) -> str:
        return f"{video.duration} s, {video.resolution}"

    @admin.display(ordering="task__status")
    def status(self, video: Video) -> str:
        return video.task.status

    @admin.display(description="charged", ordering="task__charged")
    def charged(self, video: Video) -> str:
        return _usd(video.task.charged)

    @admin.display(description="MiniMax bills", ordering="billed")
    def billed(self, video: Video) -> str:
        return _usd(_billed(video))

    @admin.display(description="margin")
    def margin(self, video: Video) -> str:
        """What was charged less what MiniMax bills; of a task under way nothing, since nothing is charged yet."""
        charged = video.task.charged
        return _usd(None if charged is None else charged - _billed(video))


def _billed(video: Video) -> Decimal:
    """USD for all of its clips, as the page's query sums them up."""
    return video.billed  # type: ignore[attr-defined] # annotated


def _usd(amount: Decimal | None) -> str:
    """Like every other amount of the console; Django would show None on a page, and `-` in a list."""
    return "-" if amount is None else f"{amount:.4f}"


@admin.register(Clip)
class ClipAdmin(FoundByTask, LeadsToTask):
    list_display = [
        "id_of_video", "number", "makes", "upstream", "seconds", "state", "billed", "provider_task_id", "submitted_at", "made_at",
    ]  # fmt: skip
    list_filter = ["state", "makes", UpstreamFilter]
    search_fields = ["=provider_task_id"]

    def of_task(self, rows: QuerySet[Clip], task_id: UUID) -> QuerySet[Clip]:
        return rows.filter(video=task_id)

    def task_of(self, row: Clip) -> UUID:
        return row.video_id

    @admin.display(description="video", ordering="video")
    def id_of_video(self, clip: Clip) -> UUID:
        return clip.video_id


@admin.register(Timing)
class TimingAdmin(ReadOnly):
    list_display = ["created_at", "upstream", "seconds", "resolution", "made_in", "delivered_in"]
    list_filter = ["upstream", "resolution"]
