"""A chart of days, drawn here: it needs no script, and its table stands below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from conduit.console.written import usd
from videos.money import Line

# Units of the drawing: its height, and what a day takes of its width.
HEIGHT, DAY = 100, 10


@dataclass(frozen=True)
class Bar:
    """One day. Lengths are in units of the drawing, from its top."""

    line: Line
    x: int
    top: float  # of what was charged
    height: float
    billed: float  # where what MiniMax bills is marked
    words: str


def chart(lines: Sequence[Line]) -> dict[str, Any]:
    """What its template draws: a bar for what was charged each day, and a mark at what MiniMax bills."""
    most = max((max(line.money.net, line.billed) for line in lines), default=Decimal(0)) or Decimal(1)

    def length(amount: Decimal) -> float:
        return round(float(max(Decimal(0), amount) / most) * HEIGHT, 2)

    bars = [
        Bar(
            line,
            x=number * DAY,
            top=HEIGHT - length(line.money.net),
            height=length(line.money.net),
            billed=HEIGHT - length(line.billed),
            words=f"{line.name}: {usd(line.money.net)} charged, MiniMax bills {usd(line.billed)}",
        )
        for number, line in enumerate(lines)
    ]
    return {"bars": bars, "width": len(bars) * DAY, "height": HEIGHT, "day": DAY, "most": most if bars else None}
