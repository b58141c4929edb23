"""All that is known of one task and its video, as operators see it: in a fixed number of queries, each by an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from uuid import UUID

from django.db.models import Count, Q, Sum

from keys import ledger
from keys.ledger import Entry
from keys.models import UsageCost
from keys.money_of_tasks import Account, Row
from tasks.models import Task, TaskEvent
from tasks.reconciliation import contradictions
from videos.exchange_models import Exchange
from videos.life import Calls, LifePart, Told, life, names_of
from videos.minimax.client import BILLED
from videos.models import Clip
from videos.planning import Plan, PlannedClip

# Exchanges that are read of one task: the newest, and all that ordered something.
EXCHANGES_READ = 200
RETRIES_READ = 50
ZERO = Decimal(0)


@dataclass(frozen=True)
class Money:
    """What became of a task's price, in USD."""

    rows: Sequence[UsageCost]
    held: Decimal
    charged: Decimal
    released: Decimal
    refunded: Decimal
    billed: Decimal  # by MiniMax
    is_open: bool
    problems: Sequence[str]  # what does not add up

    @property
    def margin(self) -> Decimal | None:
        """None while it is under way: nothing is charged yet."""
        return None if self.is_open else self.charged - self.refunded - self.billed


@dataclass(frozen=True)
class Made:
    """A clip as it was planned, beside what became of it: one bought beyond the plan was not planned, and one to come has no row."""

    number: int
    name: str
    planned: PlannedClip | None
    clip: Clip | None

    @property
    def seconds(self) -> float | None:
        """How long what was made is."""
        return self.clip.frames / self.clip.fps if self.clip and self.clip.frames and self.clip.fps else None


@dataclass(frozen=True)
class Story:
    task: Task
    told: Told
    exchanges_kept: int
    money: Money
    retries: Sequence[Task]  # newest first

    @property
    def plan(self) -> Plan:
        return Plan.from_json(self.task.video.plan)

    @property
    def life(self) -> list[LifePart]:
        return life(self.task, self.told)

    @property
    def clips(self) -> list[Made]:
        pairs = list(zip_longest(self.plan.clips, self.told.clips))
        names = names_of([(wanted or clip).makes for wanted, clip in pairs])
        return [Made(number, names[number], wanted, clip) for number, (wanted, clip) in enumerate(pairs)]

    @property
    def verdict(self) -> Exchange | None:
        """The answer of MiniMax that a failed task failed of: its last error, where it is kept."""
        return next((each for each in self.told.exchanges if each.is_error), None) if self.task.error_code else None


def story_of(task_id: UUID) -> Story | None:
    """None when there is no such task, or when it makes no video."""
    task = Task.objects.select_related("key", "team", "video", "retry_of").filter(pk=task_id, video__isnull=False).first()
    if task is None:
        return None
    clips = list(Clip.objects.filter(video=task_id).select_related("taken_from", "account").order_by("number"))
    exchanges, calls = _exchanges(task_id)
    events = list(TaskEvent.objects.filter(task=task_id).order_by("position"))
    retries = list(Task.objects.filter(retry_of=task_id).order_by("-pk")[:RETRIES_READ])
    told = Told(clips, events, exchanges, calls)
    kept = len(exchanges) if len(exchanges) < EXCHANGES_READ else Exchange.objects.filter(video=task_id).count()
    return Story(task, told, kept, _money(task, clips), retries)


def _exchanges(task_id: UUID) -> tuple[list[Exchange], list[Calls]]:
    """Newest first, and how often each call was made for each clip."""
    found = list(Exchange.objects.newest(task_id, EXCHANGES_READ))
    if len(found) == EXCHANGES_READ:
        ordered = Exchange.objects.filter(video=task_id, call__in=BILLED).exclude(pk__in=[each.pk for each in found])
        found += ordered.order_by("-last_at", "-id")[:EXCHANGES_READ]
    counted = (
        Exchange.objects.filter(video=task_id)
        .order_by()
        .values_list("clip_number", "call")
        .annotate(times=Sum("count"), errors=Count("pk", filter=Q(is_error=True)))
    )
    return found, [Calls(*row) for row in counted]


def _money(task: Task, clips: Sequence[Clip]) -> Money:
    rows = list(ledger.rows_of(task.pk))
    account = Account(task.pk, [Row(*(getattr(row, name) for name in Row._fields)) for row in rows])
    amounts = {entry: account.amount(entry) or ZERO for entry in UsageCost.ONCE_PER_TASK}
    return Money(
        rows=rows,
        held=amounts[Entry.HOLD],
        charged=amounts[Entry.CAPTURE],
        released=amounts[Entry.RELEASE],
        refunded=amounts[Entry.REFUND],
        billed=sum((clip.billed for clip in clips), ZERO),
        is_open=account.is_open,
        problems=[*account.problems(), *contradictions(task, account)],
    )
