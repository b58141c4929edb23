from typing import Any

from django.contrib import admin

from tasks.admin import ReadOnly
from videos.models import BlockedTerm, Clip, ResolutionFactor, Timing, Video, VideoModel


class FactorInline(admin.TabularInline):
    model = ResolutionFactor
    extra = 0
    # A model without a price for any size could not be asked for.
    min_num = 1
    validate_min = True


@admin.register(VideoModel)
class VideoModelAdmin(admin.ModelAdmin):
    list_display = ["name", "aliases", "upstream", "base_price", "enabled"]
    inlines = [FactorInline]


@admin.register(BlockedTerm)
class BlockedTermAdmin(admin.ModelAdmin):
    list_display = ["term", "note", "created_at"]
    search_fields = ["term", "note"]


class ClipInline(admin.TabularInline):
    model = Clip
    extra = 0
    can_delete = False
    fields = ["number", "state", "creates", "provider_task_id", "sent_at", "submitted_at", "made_at", "file"]

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(ReadOnly):
    list_display = ["task", "prompt_start", "duration", "resolution", "upstream", "width", "height", "seconds"]
    list_filter = ["resolution", "upstream"]
    search_fields = ["task__id", "prompt"]
    list_select_related = ["task"]
    inlines = [ClipInline]

    @admin.display(description="prompt")
    def prompt_start(self, video: Video) -> str:
        return video.prompt[:80]


@admin.register(Clip)
class ClipAdmin(ReadOnly):
    list_display = ["video", "number", "state", "provider_task_id", "creates", "submitted_at", "made_at"]
    list_filter = ["state"]
    search_fields = ["video__task__id", "provider_task_id"]
    exclude = ["download_url"]  # opens the clip to whoever reads it


@admin.register(Timing)
class TimingAdmin(ReadOnly):
    list_display = ["created_at", "upstream", "seconds", "resolution", "made_in", "delivered_in"]
    list_filter = ["upstream", "resolution"]
