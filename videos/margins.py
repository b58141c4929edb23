"""What videos of a model bring, and what MiniMax bills for them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from itertools import groupby

from django.db import transaction

from conduit.conditions import Condition, Severity
from keys import audit
from keys.price_factors import NONE, Discount, discounts, written
from videos.catalogue import CENT_FRACTION, Offer
from videos.models import Resolution, VideoModel
from videos.planning import Plan, longest, plan
from videos.requests import DURATION_MAX

# Seconds of the videos by which a model is judged at a glance: the shortest, the usual, one clip of most models, and long ones.
SAMPLED_SECONDS = (1, 6, 10, 30, 60)
# The fields of a model that a plan depends on.
_PLANNED_BY = (
    *("name", "api", "upstream", "upstream_with_frame", "takes_ratio", "sends_size", "natives", "portrait"),
    *("images_free", "image_cost"),
)


@dataclass(frozen=True)
class Sample:
    """One video that could be asked for. Money is USD."""

    duration: int  # seconds
    resolution: str
    plan: Plan
    price: Decimal
    discount: Discount | None = None  # at which it is sold so

    @property
    def cost(self) -> Decimal:
        """What MiniMax bills."""
        return self.plan.cost

    @property
    def how(self) -> str:
        """The clips and what is done to them, in words."""
        kinds = [(clip.upstream, f"{clip.seconds} s {clip.resolution}" if clip.seconds else "image") for clip in self.plan.clips]
        runs = [(upstream, made, len(list(same))) for (upstream, made), same in groupby(kinds)]
        clips = " + ".join(f"{upstream} {made}" if count == 1 else f"{count} x {upstream} {made}" for upstream, made, count in runs)
        return "; ".join([clips, *self.plan.treatment])

    @property
    def margin(self) -> Decimal:
        return self.price - self.cost

    @property
    def loses(self) -> bool:
        return self.margin < 0

    @property
    def sentence(self) -> str:
        return f"{self.duration} s at {self.resolution} are sold for {self.price} USD{self.to_whom}, and MiniMax bills {self.cost} USD."

    @property
    def to_whom(self) -> str:
        """Whose price that is, where not everybody pays it."""
        return f" to {self.discount.whose} (price factor {written(self.discount.factor)})" if self.discount else ""

    @property
    def ratio(self) -> Decimal:
        """The price as a multiple of what MiniMax bills, rounded down; only of what costs anything."""
        return (self.price / self.cost).quantize(CENT_FRACTION, rounding=ROUND_FLOOR)


def offer_of(model: VideoModel) -> Offer:
    """The model with the factors that stand in the database, whether it is enabled or not."""
    return Offer(model, {row.resolution: row.factor for row in model.factors.all()})


def samples(offer: Offer, seconds: Iterable[int] = SAMPLED_SECONDS) -> list[Sample]:
    """Videos of those lengths at each size that has a price, of those that the model can make."""
    wanted, possible = list(seconds), longest(offer.model) or DURATION_MAX
    return [_sample(offer, duration, size) for size in offer.factors for duration in wanted if duration <= possible]


def thinnest(offer: Offer, discounts: Sequence[Discount] = ()) -> Sample | None:
    """The video of any length with the least price for what it costs, at the first of `discounts` (least first) that is for the model;
    None when none costs anything."""

    def ratio(video: tuple[str, int]) -> Decimal:
        return offer.price(duration=video[1], resolution=Resolution(video[0])) / costs[video]

    costs = _costs(json.dumps({name: getattr(offer.model, name) for name in _PLANNED_BY}, default=str))
    worst = min((video for video in costs if costs[video] and video[0] in offer.factors), key=ratio, default=None)
    discount = next((one for one in discounts if one.is_for(offer.model.names)), None)
    return _sample(offer, worst[1], worst[0], discount) if worst else None


def _sample(offer: Offer, duration: int, size: str, discount: Discount | None = None) -> Sample:
    made, factor = _plan(offer.model, duration, size), discount.factor if discount else NONE
    return Sample(duration, size, made, offer.price(duration=duration, resolution=Resolution(size), price_factor=factor), discount)


def _plan(model: VideoModel, duration: int, size: str) -> Plan:
    return plan(model, duration=duration, resolution=size, expected=lambda seconds, native: 0.0)


@lru_cache(maxsize=64)
def _costs(fields: str) -> dict[tuple[str, int], Decimal]:
    """USD that MiniMax bills for each size and length that a model with these fields can make. 300 plans take 0.05 to 0.2 s: once."""
    model = VideoModel(**json.loads(fields))
    lengths = range(1, (longest(model) or DURATION_MAX) + 1)
    return {(size, duration): _plan(model, duration, size).cost for size in Resolution.values for duration in lengths}


def loss(offer: Offer, discounts: Sequence[Discount]) -> Sample | None:
    """The worst video, where it is sold for less than MiniMax bills and no administrator accepted that; None otherwise.

    What was accepted is a ratio of price and cost: a later change that makes it worse has to be accepted again.
    """
    worst = thinnest(offer, discounts)
    if worst is None or not worst.loses:
        return None
    accepted = offer.model.accepted_loss
    return None if accepted is not None and worst.ratio >= accepted else worst


def accept_loss(model: VideoModel, *, who: str) -> None:
    """Have the place say no more that this model loses money, until it loses more than now. Accepting it is audited."""
    worst = thinnest(offer_of(model), discounts())
    if worst is None or not worst.loses:
        return
    with transaction.atomic():
        VideoModel.objects.filter(pk=model.pk).update(accepted_loss=worst.ratio)
        audit.record(who=who, action="accept loss", target=model, worst=worst.sentence)
    model.accepted_loss = worst.ratio


def hold_to_acceptance(model: VideoModel, *, who: str) -> None:
    """After a change of it: what is better now than what was accepted stands in its place. A price that rose and falls again is told."""
    accepted, worst = model.accepted_loss, thinnest(offer_of(model), discounts())
    now = worst.ratio if worst and worst.loses else None
    if accepted is None or (now is not None and now <= accepted):
        return
    with transaction.atomic():
        VideoModel.objects.filter(pk=model.pk).update(accepted_loss=now)
        audit.record(who=who, action="loss is less", target=model, accepted_loss=(accepted, now))
    model.accepted_loss = now


def losses() -> dict[str, str]:
    """What is worst of each model that is offered and loses money, as a condition's findings."""
    least_first = discounts()
    offered = VideoModel.objects.filter(enabled=True).prefetch_related("factors")
    found = ((model.name, loss(offer_of(model), least_first)) for model in offered)
    return {name: worst.sentence for name, worst in found if worst}


LOSSES = Condition(
    name="models_lose_money",
    severity=Severity.NOTICE,
    says="Videos are sold for less than MiniMax bills for them.",
    found_by="The control process compares the price of each offered model's videos, of every length and size and at the least price "
    "factor, with their clips' cost.",
    what_to_do="Change the price, or accept the loss, on the model's page under Models in the console.",
    look=losses,
    leads_to="models/",
)
