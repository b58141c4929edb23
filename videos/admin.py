from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

import videos.catalogue_admin  # noqa: F401 - the pages of models
from tasks.admin import ReadOnly
from tasks.ids import parse_task_id
from videos.models import Clip, Exchange, Timing, Video
from videos.planning import Plan, PlannedClip
from videos.presentation import EXCHANGES_SHOWN


class ClipInline(admin.TabularInline):
    model = Clip
    extra = 0
    can_delete = False
    ordering = ["number"]
    fields = [
        "number", "makes", "upstream", "seconds", "resolution", "state", "creates", "cost", "billed", "taken_from", "provider_task_id",
        "submitted_at", "made_at", "frames", "file",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Clip]:
        return super().get_queryset(request).select_related("taken_from")

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False


class ExchangeInline(admin.TabularInline):
    """What was said to MiniMax and answered: the newest, folded away."""

    model = Exchange
    extra = 0
    can_delete = False
    classes = ["collapse"]
    fields = [
        "last_at", "first_at", "count", "clip_number", "call", "method", "path", "http", "code", "status", "message", "trace_id",
        "milliseconds",
    ]  # fmt: skip
    verbose_name_plural = "exchanges with MiniMax"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Exchange]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        task_id = parse_task_id(unquote(match.kwargs["object_id"])) if match and "object_id" in match.kwargs else None
        return rows.filter(pk__in=[row.pk for row in Exchange.objects.newest(task_id, EXCHANGES_SHOWN)]) if task_id else rows.none()

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(ReadOnly):
    list_display = ["id", "prompt_start", "asked", "status", "charged", "billed", "margin", "upstream"]
    list_filter = ["task__status", "resolution", "upstream"]
    search_fields = ["task__id", "prompt"]
    list_select_related = ["task"]
    inlines = [ClipInline, ExchangeInline]
    readonly_fields = ["plan_shown", "planned_cost", "charged", "billed", "margin"]
    fieldsets = [
        ("What was asked for", {"fields": ["task", "prompt", "duration", "resolution", "aspect_ratio"]}),
        ("How it is made", {"fields": ["upstream", "plan_shown"]}),
        ("USD", {"fields": ["planned_cost", "charged", "billed", "margin"]}),
        ("What was delivered", {"fields": ["width", "height", "fps", "seconds", "size_bytes", "file", "thumbnail", "thumbnail_bytes"]}),
        ("What was made natively", {"fields": ["source_width", "source_height", "source_fps", "source_clips", "speed"]}),
        ("Upkeep", {"fields": ["unfinished_assemblies", "swept_at"]}),
    ]

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

    @admin.display(description="planned cost at MiniMax")
    def planned_cost(self, video: Video) -> str:
        return _usd(Plan.from_json(video.plan).cost)

    @admin.display(description="plan")
    def plan_shown(self, video: Video) -> SafeString:
        plan = Plan.from_json(video.plan)
        planned = map(_planned_row, plan.clips, (None, *plan.clips))
        rows = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", planned)
        then = ", ".join(plan.treatment) or "made exact from what there is"
        return format_html(
            "<table><thead><tr><th>clip</th><th>model</th><th>begins from</th><th>size</th><th>USD</th></tr></thead>"
            "<tbody>{}</tbody></table>"
            "<p>Each is {}x{} at {} frames a second. Then: {}.</p>",
            rows,
            plan.width,
            plan.height,
            f"{plan.fps:g}",
            then,
        )


def _billed(video: Video) -> Decimal:
    """USD for all of its clips, as the page's query sums them up."""
    return video.billed  # type: ignore[attr-defined] # annotated


def _usd(amount: Decimal | None) -> str:
    """Like every other amount of the console; Django would show None on a page, and `-` in a list."""
    return "-" if amount is None else f"{amount:.4f}"


def _planned_row(clip: PlannedClip, before: PlannedClip | None) -> tuple[str, ...]:
    made = f"{clip.seconds} s" if clip.seconds else "image"
    if clip.start == Clip.Start.TEXT:
        begins = "the prompt"
    else:
        begins = "the image" if before and not before.seconds else "the end of the one before"
    return made, clip.upstream, begins, " ".join(filter(None, [clip.resolution, clip.ratio])), str(clip.cost)


@admin.register(Clip)
class ClipAdmin(ReadOnly):
    list_display = [
        "id_of_video", "number", "makes", "upstream", "seconds", "state", "billed", "provider_task_id", "submitted_at", "made_at",
    ]  # fmt: skip
    list_filter = ["state", "makes", "upstream"]
    search_fields = ["video__task__id", "provider_task_id"]
    exclude = ["download_url"]  # opens the clip to whoever reads it

    @admin.display(description="video", ordering="video")
    def id_of_video(self, clip: Clip) -> UUID:
        return clip.video_id


@admin.register(Timing)
class TimingAdmin(ReadOnly):
    list_display = ["created_at", "upstream", "seconds", "resolution", "made_in", "delivered_in"]
    list_filter = ["upstream", "resolution"]
