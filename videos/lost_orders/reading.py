"""Which orders' answers were lost: those that are being found out, and those that may have been billed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from conduit.api.formats import money, rfc3339
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from tasks.models import Task
from videos.models import Clip
from videos.stages import Stage

CONDITION = "minimax_lost_orders"


@dataclass(frozen=True)
class MaybeBilled:
    """Orders of ended tasks of which it is not known what MiniMax bills. `usd`: what it asks, or bills, for all of them."""

    clips: Sequence[Clip]  # the newest
    count: int
    usd: Decimal


def maybe_billed(most: int) -> MaybeBilled:
    """Three queries, or one where there is none."""
    return _summed(Clip.objects.maybe_billed(), most, "cost")


def outlived(most: int) -> MaybeBilled:
    """Jobs that MiniMax may still be making although their task has ended: they are asked for until they end. Three queries, or one
    where there is none."""
    return _summed(Clip.objects.outlived(), most, "billed")


def _summed(found: Any, most: int, amount: str) -> MaybeBilled:
    sums = found.order_by().aggregate(count=Count("pk"), usd=Sum(amount))
    newest = _shown(_the_newest(found, most)) if sums["count"] else []
    return MaybeBilled(newest, sums["count"], round(Decimal(sums["usd"] or 0), 4))


def _the_newest(found: Any, most: int) -> Any:
    """Found by their ids first: rows are read of those alone that are shown."""
    return Clip.objects.filter(pk__in=list(found.values_list("pk", flat=True)[:most])).order_by(*found.query.order_by)


def reconciling(most: int) -> list[Clip]:
    """Orders of which it is being found out, the oldest first. One query."""
    return list(_shown(Clip.objects.reconciling())[:most])


def _shown(clips: Any) -> Any:
    return clips.select_related("video__task__key", "account")


def show(clip: Clip) -> dict[str, Any]:
    """As the management API tells it."""
    task = clip.video.task
    return {
        "id": clip.pk,
        "object": "lost_order",
        "task_id": str(clip.video_id),
        "clip": clip.number,
        "state": "reconciling" if task.is_active else "maybe_billed",
        "key": {"id": task.key_id, "name": task.key.name},
        "model": clip.upstream,
        "account": clip.account.name if clip.account else None,
        "sent_at": rfc3339(clip.sent_at),
        "cost": money(clip.cost),
        "currency": "USD",
    }


def _look() -> Findings:
    count = Task.objects.active().filter(stage=Stage.RECONCILING).count()
    if not count:
        return {}
    return {"": f"{count} task{'s' if count > 1 else ''} stand{'' if count > 1 else 's'} still until it is known what became of an order."}


LOST_ORDERS = Condition(
    name=CONDITION,
    severity=Severity.DEGRADED,
    says="MiniMax's answer to orders was lost, and whether it took them is not known.",
    found_by="Tasks stand at the stage `reconciling`: nothing is sent again before MiniMax's list, its callback or an operator tells.",
    what_to_do="Orders of H3 are looked up by themselves, others are told by MiniMax's callbacks, where it can reach PUBLIC_URL. Of the "
    "rest see MiniMax's console, and say on the task's page what became of the order. After RECONCILING_SECONDS_MAX such a task fails, "
    "charges nothing, and its order is listed under Money.",
    look=_look,
    leads_to=f"tasks/?q=stage:{Stage.RECONCILING}",
)
