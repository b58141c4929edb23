"""Pages of the models and of the words that no prompt may hold."""

from typing import Any

from django.contrib import admin, messages
from django.forms import BaseInlineFormSet, all_valid
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from conduit.console.model_pages import TellsRefusals, who
from conduit.console.videos.forms import VideoModelForm
from keys.price_factors import discounts
from videos import margins
from videos.catalogue import Offer, delete, needed_by
from videos.models import BlockedTerm, ResolutionFactor, VideoModel

# What the page between filling in and saving sends with the form.
REVIEWED, ACCEPTED = "_reviewed", "_accept_loss"


class NamedFields(BaseInlineFormSet):
    """The head of a table names its columns to the eye; each field names itself to screen readers."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            if not field.widget.is_hidden:
                field.widget.attrs.setdefault("aria-label", str(field.label))


class FactorInline(admin.TabularInline):
    model = ResolutionFactor
    formset = NamedFields
    extra = 0
    min_num = 1

    def get_formset(self, *args: Any, **kwargs: Any) -> Any:
        # A model without a price for any size could not be asked for.
        return super().get_formset(*args, **kwargs | {"validate_min": True})


@admin.register(VideoModel)
class VideoModelAdmin(TellsRefusals):
    """Before a model is saved a page shows what videos of it would bring and cost, and asks when it loses money."""

    form = VideoModelForm
    list_display = ["name", "aliases", "api", "upstream", "upstream_with_frame", "base_price", "least_seconds", "enabled"]
    inlines = [FactorInline]
    fieldsets = [
        (None, {"fields": ["name", "aliases", "enabled", "prompt_limit"]}),
        (
            "At MiniMax",
            {"fields": ["api", "upstream", "upstream_with_frame", "sends_size", "takes_ratio", "takes_prompt_optimizer", "natives"]},
        ),
        ("Pictures at MiniMax", {"fields": ["takes_last_frame", "references_most", "images_free", "image_cost"]}),
        ("How it is used", {"fields": ["portrait", "watermark", "typical_seconds"]}),
        ("What it costs", {"fields": ["base_price", "least_seconds", "image_price"]}),
    ]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST" and REVIEWED not in request.POST and (review := self._review(request, object_id)):
            return review
        shown: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return shown

    def _review(self, request: HttpRequest, object_id: str | None) -> TemplateResponse | None:
        """What would be saved, and what it brings and costs; None where the form's own page has something to say first."""
        before = self.get_object(request, object_id) if object_id else None
        if (object_id and before is None) or not (
            self.has_change_permission(request, before) if before else self.has_add_permission(request)
        ):
            return None
        form = self.get_form(request, before, change=before is not None)(request.POST, instance=self.get_object(request, object_id or ""))
        if not form.is_valid():
            return None
        formsets, _ = self._create_formsets(request, form.instance, change=before is not None)  # type: ignore[attr-defined] # as in Django's own view
        if not all_valid(formsets):
            return None
        factors = {row["resolution"]: row["factor"] for row in formsets[0].cleaned_data if row and not row.get("DELETE")}
        offer = Offer(form.instance, factors)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Save {form.instance}?",
            "opts": self.opts,
            "rows": beside(margins.samples(offer), margins.samples(margins.offer_of(before)) if before else []),
            "worst": _if_it_loses(margins.thinnest(offer, discounts())),
            "sent": [(name, value) for name, values in request.POST.lists() if name != "csrfmiddlewaretoken" for value in values],
            "reviewed": REVIEWED,
            "accepted": ACCEPTED,
        }
        return TemplateResponse(request, "admin/videos/videomodel/review.html", context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        model = form.instance
        margins.hold_to_acceptance(model, who=who(request))
        if ACCEPTED in request.POST:
            margins.accept_loss(model, who=who(request))
        lost = margins.loss(margins.offer_of(model), discounts())
        if lost:
            messages.warning(request, f"It costs more than it brings: {lost.sentence}")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Says what needs a model, on the page that asks whether to delete it."""
        deleted, counts, rights, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, rights, [*protected, *filter(None, map(needed_by, objs))]

    def delete_model(self, request: HttpRequest, obj: VideoModel) -> None:
        delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for model in queryset:
            delete(model)


def beside(after: list[margins.Sample], before: list[margins.Sample]) -> list[tuple[margins.Sample, margins.Sample | None]]:
    """Each sample with the one of the same length and size as it is now, where there is one."""
    known = {(sample.duration, sample.resolution): sample for sample in before}
    return [(sample, known.get((sample.duration, sample.resolution))) for sample in after]


def _if_it_loses(sample: margins.Sample | None) -> margins.Sample | None:
    return sample if sample and sample.loses else None


@admin.register(BlockedTerm)
class BlockedTermAdmin(admin.ModelAdmin):
    list_display = ["term", "note", "created_at"]
    search_fields = ["term", "note"]
