"""Which models there are, what they can make, and what that costs."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction

from conduit.api.errors import Conflict
from tasks.models import Task
from videos.exchange_models import Timing
from videos.models import Resolution, ResolutionFactor, VideoModel, clip_name

CENT_FRACTION = Decimal("0.0001")
# A base price is for this many seconds.
PRICED_SECONDS = 6
# The name that the API's documentation asks for: some model always has it.
DEFAULT_NAME = "minimax-video"


@dataclass(frozen=True)
class Offer:
    """A model with its factors, as they are now."""

    model: VideoModel
    factors: dict[str, Decimal]

    def price(self, *, duration: int, resolution: Resolution, price_factor: Decimal = Decimal(1), images: int = 0) -> Decimal:
        """USD for that many seconds at that size, rounded; a shorter video than the least is priced as the least.

        `price_factor`: what the payer has (keys.price_factors). `images`: how many pictures the video is given.
        """
        seconds = max(duration, self.model.least_seconds)
        of_images = self.model.image_price * self.model.surcharged(images)
        return rounded((self.model.base_price * seconds * self.factors[resolution] / PRICED_SECONDS + of_images) * price_factor)


def rounded(amount: Decimal) -> Decimal:
    """USD, half up to four decimals: the one place that rounds money."""
    return amount.quantize(CENT_FRACTION, rounding=ROUND_HALF_UP)


def offers() -> list[Offer]:
    """Every enabled model that has a price for something, in one query. Zero is no price: nobody set one."""
    found: dict[int, Offer] = {}
    priced = ResolutionFactor.objects.filter(model__enabled=True, model__base_price__gt=0, factor__gt=0)
    for row in priced.select_related("model").order_by("model__name", "id"):
        found.setdefault(row.model_id, Offer(row.model, {})).factors[row.resolution] = row.factor
    return list(found.values())


def needed_by(model: VideoModel) -> str | None:
    """Why this model cannot be deleted, in words; None when nothing needs it."""
    if DEFAULT_NAME in model.names:
        return f"{model} has the name {DEFAULT_NAME}, which consumers' programs ask for: give it to another model first."
    if Task.objects.filter(model__in=model.names).exists():
        return f"There are tasks of {model}, which may be retried: disable it instead."
    return None


def delete(model: VideoModel) -> None:
    """Delete it. Tasks name a model by what they were asked for with, so that the database cannot protect it: every way leads through here.

    Raises:
        Conflict: `needed_by` says why.
    """
    with transaction.atomic():
        held = VideoModel.objects.select_for_update().filter(pk=model.pk).first()
        if held is None:
            return
        if why := needed_by(held):
            raise Conflict(why)
        held.delete()


def learn(*, upstream: str, seconds: int, resolution: str) -> None:
    """Bring what the models know of such a clip's usual time up to date, so that creating one asks for it no more."""
    for model in VideoModel.objects.order_by("pk"):
        if upstream in model.upstreams:
            _learn(model.pk, seconds=seconds, resolution=resolution)


def _learn(model_id: int, *, seconds: int, resolution: str) -> None:
    """One row in a transaction of its own. When somebody else has it, it is left alone: the next such clip tells of this one too."""
    with transaction.atomic():
        model = VideoModel.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=model_id).first()
        if model is None:
            return
        # Asked only now: the transaction that had the row before may have finished such a clip too.
        typical = Timing.objects.typical(upstreams=model.upstreams, seconds=seconds, resolution=resolution)
        model.learned[clip_name(seconds=seconds, resolution=resolution)] = typical
        model.save(update_fields=["learned"])
