"""What a key pays, as a multiple of the list price: its own factor where it has one, else its team's, else 1."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db.models.functions import Coalesce

from keys.models import VirtualKey

NONE = Decimal(1)
# Keys that are looked at for the least factors.
DISCOUNTS_MAX = 200


@dataclass(frozen=True)
class Discount:
    """What a key pays that works and has a factor below 1."""

    factor: Decimal
    whose: str  # such as `key batch-eu`, `team film`
    models: frozenset[str]  # names of those that it may ask for; empty: all

    def is_for(self, names: Collection[str]) -> bool:
        """Whether a model of these names can be asked for so."""
        return not self.models or not self.models.isdisjoint(names)


def discounts() -> list[Discount]:
    """Those below 1, the least first. One query."""
    working = VirtualKey.objects.filter(deleted_at=None, enabled=True).annotate(factor=Coalesce("price_factor", "team__price_factor"))
    rows = (
        working.filter(factor__lt=NONE).order_by("factor", "pk").values_list("factor", "price_factor", "name", "team__name", "model_names")
    )
    return [
        Discount(factor, f"key {name}" if own is not None else f"team {team}", frozenset(models))
        for factor, own, name, team, models in rows[:DISCOUNTS_MAX]
    ]


def of(key: VirtualKey) -> Decimal:
    """The factor that holds now. Fetch the key's team with it."""
    if key.price_factor is not None:
        return key.price_factor
    return NONE if key.team is None or key.team.price_factor is None else key.team.price_factor


def written(factor: Decimal | None) -> str | None:
    """Without zeros at its end, as every factor in an answer."""
    return None if factor is None else f"{factor.normalize():f}"
