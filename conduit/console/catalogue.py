"""Models: what consumers may ask for, what it brings, and what MiniMax bills for it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect

from conduit.console.model_pages import who
from conduit.console.pages import may, page, render
from keys.price_factors import Discount, discounts
from tasks.models import Pause, PauseKind
from videos import margins
from videos.catalogue import PRICED_SECONDS
from videos.models import Resolution, VideoModel


@page("models/", name="models", rights="videos.view_videomodel")
def models(request: HttpRequest) -> HttpResponseBase:
    stopped = dict(Pause.objects.exclude(kind=PauseKind.MEDIA).exclude(model=None).values_list("model", "pk"))
    least_first = discounts()
    rows = [_row(model, stopped, least_first) for model in VideoModel.objects.prefetch_related("factors")]
    return render(request, "console/models.html", {"rows": rows, "sizes": Resolution.values, "seconds": PRICED_SECONDS}, title="Models")


def _row(model: VideoModel, stopped: dict[str, int], least_first: Sequence[Discount]) -> dict[str, Any]:
    offer = margins.offer_of(model)
    prices = {sample.resolution: sample for sample in margins.samples(offer, [PRICED_SECONDS])}
    return {
        "model": model,
        "prices": [prices.get(size) for size in Resolution.values],
        "worst": margins.thinnest(offer, least_first),
        "loss": margins.loss(offer, least_first),
        "pause": next((stopped[name] for name in model.names if name in stopped), None),
    }


@page("models/<int:model_id>/margins/", name="model-margins", rights="videos.view_videomodel")
def model_margins(request: HttpRequest, model_id: int) -> HttpResponseBase:
    """What videos of one model bring and cost. A POST accepts that it loses money."""
    model = get_object_or_404(VideoModel, pk=model_id)
    if request.method == "POST":
        if not may(request, "videos.change_videomodel"):
            raise PermissionDenied
        margins.accept_loss(model, who=who(request))
        messages.success(request, f"{model}: the loss is accepted. It is told again when the model loses more.")
        return redirect("admin:model-margins", model_id)
    offer, least_first = margins.offer_of(model), discounts()
    context = {
        "model": model,
        "rows": [(sample, None) for sample in margins.samples(offer)],
        "worst": margins.thinnest(offer, least_first),
        "loss": margins.loss(offer, least_first),
        "may_change": may(request, "videos.change_videomodel"),
    }
    return render(request, "console/model_margins.html", context, title=f"What {model} brings and costs")
