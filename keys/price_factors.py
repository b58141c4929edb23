"""What a key pays, as a multiple of the list price: its own factor where it has one, else its team's, else 1."""

from decimal import Decimal

from keys.models import VirtualKey

NONE = Decimal(1)


def of(key: VirtualKey) -> Decimal:
    """The factor that holds now. Fetch the key's team with it."""
    if key.price_factor is not None:
        return key.price_factor
    return NONE if key.team is None or key.team.price_factor is None else key.team.price_factor


def written(factor: Decimal | None) -> str | None:
    """Without zeros at its end, as every factor in an answer."""
    return None if factor is None else f"{factor.normalize():f}"
