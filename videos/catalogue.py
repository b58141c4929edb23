"""Which models there are, what they can make, and what that costs."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction

from conduit.api.errors import InvalidRequest, NotFound
from videos.models import Resolution, ResolutionFactor, Timing, VideoModel, clip_name
from videos.requests import GenerationRequest

CENT_FRACTION = Decimal("0.0001")
# A base price is for this many seconds.
PRICED_SECONDS = 6


@dataclass(frozen=True)
class Offer:
    """A model with its factors, as they are now."""

    model: VideoModel
    factors: dict[str, Decimal]

    def price(self, *, duration: int, resolution: Resolution) -> Decimal:
        """USD for that many seconds at that size, rounded half up to four decimals: the one place that rounds money."""
        exact = self.model.base_price * duration * self.factors[resolution] / PRICED_SECONDS
        return exact.quantize(CENT_FRACTION, rounding=ROUND_HALF_UP)


def offers() -> list[Offer]:
    """Every enabled model that has a price for something, in one query. Zero is no price: nobody set one."""
    found: dict[int, Offer] = {}
    priced = ResolutionFactor.objects.filter(model__enabled=True, model__base_price__gt=0, factor__gt=0)
    for row in priced.select_related("model").order_by("model__name", "id"):
        found.setdefault(row.model_id, Offer(row.model, {})).factors[row.resolution] = row.factor
    return list(found.values())


def offer_for(wanted: GenerationRequest) -> Offer:
    """The offer that this request names, checked to take it.

    Raises:
        NotFound: no such model.
        InvalidRequest: the model does not take this prompt or this size.
    """
    offer = next((offer for offer in offers() if wanted.model in offer.model.names), None)
    if offer is None:
        raise NotFound(
            "There is no model of that name. GET /v1/models lists those that you may use.", code="model_not_found", param="model"
        )
    if len(wanted.prompt) > offer.model.prompt_limit:
        raise InvalidRequest(
            f"`prompt` has {len(wanted.prompt)} characters; {wanted.model} takes at most {offer.model.prompt_limit}.", param="prompt"
        )
    if wanted.resolution not in offer.factors:
        raise InvalidRequest(f"{wanted.model} does not make {wanted.resolution}. It makes {', '.join(offer.factors)}.", param="resolution")
    return offer


@dataclass(frozen=True)
class Native:
    """What MiniMax is asked for."""

    resolution: str
    seconds: int


def nearest_native(model: VideoModel, *, duration: int, resolution: Resolution) -> Native:
    """The clip that comes nearest to the wish: its orientation, then enough pixels, then enough seconds, then the least of both."""
    width, height = map(int, resolution.split("x"))

    def distance(native: dict[str, int], seconds: int) -> tuple[bool, bool, bool, int, int]:
        return (
            (native["width"] >= native["height"]) != (width >= height),
            native["width"] < width or native["height"] < height,
            seconds < duration,
            abs(native["width"] * native["height"] - width * height),
            abs(seconds - duration),
        )

    options = [(native, seconds) for native in model.natives for seconds in native["durations"]]
    best, seconds = min(options, key=lambda option: distance(*option))
    return Native(best["resolution"], seconds)


def learn(*, upstream: str, seconds: int, resolution: str) -> None:
    """Bring what the models know of such a clip's usual time up to date, so that creating one asks for it no more."""
    with transaction.atomic():
        models = list(VideoModel.objects.select_for_update(no_key=True).filter(upstream=upstream).order_by("pk"))
        # Asked only now: whoever held the lock before may have finished such a clip too.
        typical = Timing.objects.typical(upstream=upstream, seconds=seconds, resolution=resolution)
        for model in models:
            model.learned[clip_name(seconds=seconds, resolution=resolution)] = typical
            model.save(update_fields=["learned"])
