from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from conduit.console.long_lists import LongList
from conduit.console.model_pages import FoundByTask, ReadOnly
from conduit.console.tasks.admin import LeadsToTask, ListedElsewhere
from videos.account_models import ProviderAccount
from videos.exchange_models import Timing
from videos.models import Clip, Video, VideoModel
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


class AccountFilter(admin.SimpleListFilter):
    """By the account that made them."""

    title = parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(account.pk), account.name) for account in ProviderAccount.objects.all()]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(account=self.value()) if self.value() else rows


@admin.register(Video)
class VideoAdmin(ListedElsewhere):
    """Both its list and its page are the console's own, those of its task."""


@admin.register(Clip)
class ClipAdmin(FoundByTask, LeadsToTask):
    list_display = [
        "id_of_video", "number", "makes", "upstream", "seconds", "state", "billed", "provider_task_id", "submitted_at", "made_at",
    ]  # fmt: skip
    list_filter = ["state", "makes", UpstreamFilter, AccountFilter]
    indexed = {"account": "sent_at"}
    search_fields = ["=provider_task_id"]

    def of_task(self, rows: QuerySet[Clip], task_id: UUID) -> QuerySet[Clip]:
        return rows.filter(video=task_id)

    def newest(self, request: HttpRequest) -> QuerySet[Any]:
        """MiniMax's id is found by its index too."""
        searched = request.GET.get("q", "").replace("\0", "").strip()
        found = Clip.objects.filter(provider_task_id=searched).exclude(provider_task_id="").order_by("-pk")
        return found if found.exists() else super().newest(request)

    def task_of(self, row: Clip) -> UUID:
        task_id: UUID = row.video_id
        return task_id

    @admin.display(description="video", ordering="video")
    def id_of_video(self, clip: Clip) -> UUID:
        task_id: UUID = clip.video_id
        return task_id


@admin.register(Timing)
class TimingAdmin(LongList, ReadOnly):
    list_display = ["created_at", "upstream", "seconds", "resolution", "made_in", "delivered_in"]
    list_filter = ["created_at", UpstreamFilter]
    moment = "created_at"
