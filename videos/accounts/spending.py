"""What accounts have in hand: jobs in flight, and what their jobs of this month cost."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, F, Sum

from conduit.rollups.steps import first_of_month
from videos.models import Clip, ClipState
from videos.rollup_models import BilledOfAccount


def in_flight(account_ids: Collection[int], now: datetime) -> dict[int, int]:
    """How many jobs MiniMax may be making for each of these accounts; none where it makes none. One query."""
    found = Clip.objects.in_flight(now).filter(account__in=account_ids).order_by()
    return dict(found.values_list("account").annotate(Count("pk")))


def spent(account_ids: Collection[int], now: datetime) -> dict[int, Decimal]:
    """USD that MiniMax bills for the jobs of this month of each of these accounts, those included that are being ordered. Three queries.

    Roll-ups hold what was billed until a second ago; what they lack is read off the few clips that are not counted yet.
    """
    month, sums = first_of_month(now), defaultdict[int, Decimal](Decimal)
    counted = BilledOfAccount.objects.filter(month=month.date(), account_id__in=account_ids).values_list("account_id", "billed")
    later = Clip.objects.to_count().filter(account__in=account_ids, submitted_at__gte=month).order_by()
    uncounted = later.values_list("account").annotate(rest=Sum(F("billed") - F("billed_counted")))
    ordering = Clip.objects.in_flight(now).filter(account__in=account_ids, state=ClipState.SUBMITTING, sent_at__gte=month).order_by()
    for rows in (counted, uncounted, ordering.values_list("account").annotate(Sum("cost"))):
        for account_id, amount in rows:
            sums[account_id] += round(Decimal(amount or 0), 4)  # SQLite sums in floating point
    return dict(sums)
