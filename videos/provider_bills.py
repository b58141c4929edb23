"""MiniMax's bills beside what it should bill: uploaded, stored, compared by day and model."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from conduit.postgresql.one_by_one import one_by_one
from keys import audit
from videos.bill_files import BilledLine, read
from videos.bill_models import ProviderBill, ProviderBillLine
from videos.models import VideoModel
from videos.planning import IMAGE_MODEL
from videos.rollups import bills_by, bills_of_days

ZERO = Decimal(0)
# USD: less than that is how amounts were rounded.
ROUNDING = Decimal("0.005")


@dataclass(frozen=True)
class Stored:
    """What became of an upload."""

    bill: ProviderBill
    replaced: int  # lines of earlier bills


def upload(content: bytes, *, file_name: str, who: str) -> Stored:
    """Store a bill; it takes the place of what earlier ones said of the days from its first to its last.

    Raises:
        BillError: it cannot be read. Nothing was stored.
    """
    lines = _in_our_names(read(content))
    first, last = min(line.day for line in lines), max(line.day for line in lines)
    amount = sum((line.amount for line in lines), ZERO)
    with one_by_one(ProviderBill):  # two of the same days would each leave its lines, and the second fail
        bill = ProviderBill.objects.create(
            file_name=file_name[-200:], first=first, last=last, line_count=len(lines), amount=amount, uploaded_by=who
        )
        replaced, _ = ProviderBillLine.objects.filter(day__range=(first, last)).delete()
        ProviderBillLine.objects.bulk_create(
            ProviderBillLine(bill=bill, day=line.day, upstream=line.model, quantity=line.quantity, amount=line.amount) for line in lines
        )
        audit.record(
            who=who, action="upload bill", target=bill, file_name=bill.file_name, first=first, last=last, lines=len(lines), amount=amount,
            replaced_lines=replaced,
        )  # fmt: skip
    return Stored(bill, replaced)


def _in_our_names(lines: Sequence[BilledLine]) -> list[BilledLine]:
    """Models by their names as we know them, whatever the bill's capitals; those of one name are added up."""
    known = {name.casefold(): name for model in VideoModel.objects.all() for name in model.upstreams} | {IMAGE_MODEL: IMAGE_MODEL}
    sums: dict[tuple[date, str], BilledLine] = {}
    for line in lines:
        name = known.get(line.model.casefold(), line.model)
        before = sums.get((line.day, name))
        quantity = line.quantity if before is None or before.quantity is None else before.quantity + (line.quantity or 0)
        sums[line.day, name] = BilledLine(line.day, name, quantity, line.amount + (before.amount if before else 0))
    return list(sums.values())


@dataclass(frozen=True)
class Comparison:
    """One day and model: what MiniMax should bill, and what it bills. USD; None where no bill is about that day."""

    day: date
    upstream: str
    jobs: int
    expected: Decimal
    quantity: Decimal | None
    billed: Decimal | None
    models: tuple[str, ...]  # the names by which consumers asked for it

    @property
    def difference(self) -> Decimal | None:
        """What MiniMax bills more than it should."""
        return None if self.billed is None else self.billed - self.expected

    @property
    def differs(self) -> bool:
        return self.difference is not None and abs(self.difference) >= ROUNDING


def compare(first: date, last: date) -> list[Comparison]:
    """Each day and model of the span of which either side knows, the newest day first. Three queries."""
    ours: dict[tuple[date, str], list[tuple[str, int, Decimal]]] = defaultdict(list)
    for named, bill in bills_by(bills_of_days(first, last), "day", "upstream", "model").items():
        day, upstream, model = cast(tuple[date, str, str], named)
        ours[day, upstream].append((model, bill.jobs, bill.billed))
    theirs = {(line.day, line.upstream): line for line in ProviderBillLine.objects.filter(day__range=(first, last))}
    bills = bills_about(first, last)
    found = []
    for day, upstream in sorted(ours.keys() | theirs.keys(), key=lambda pair: (-pair[0].toordinal(), pair[1])):
        parts, line = ours.get((day, upstream), []), theirs.get((day, upstream))
        covered = any(bill.first <= day <= bill.last for bill in bills)
        found.append(
            Comparison(
                day,
                upstream,
                jobs=sum(jobs for _, jobs, _ in parts),
                expected=sum((billed for _, _, billed in parts), ZERO),
                quantity=line.quantity if line else None,
                billed=line.amount if line else ZERO if covered else None,
                models=tuple(sorted(model for model, _, _ in parts)),
            )
        )
    return found


def bills_about(first: date, last: date) -> list[ProviderBill]:
    """Those that say something of the days, the newest first."""
    return list(ProviderBill.objects.filter(first__lte=last, last__gte=first))
