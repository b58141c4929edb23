"""Figures as pages write them."""

from decimal import Decimal


def usd(value: Decimal | None) -> str:
    """Money with its unit, four decimals where it is less than ten dollars, and two from there on; `-` for none."""
    if value is None:
        return "-"
    return f"{value:,.4f} USD" if abs(value) < 10 else f"{value:,.2f} USD"


def span(seconds: float | None) -> str:
    """A length of time in its two largest units: `0.4 s`, `52 s`, `1 m 40 s`, `3 h 5 m`, `2 d 4 h`; `-` for none."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for unit, name, below, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // below} {smaller}"
    raise AssertionError(seconds)
