"""Random tasks: whatever happens to them and to their budgets, in whatever order, the money adds up after each step.

The machine keeps books of its own, from what callers and MiniMax see alone. After each single create, cancel, end or change of
budgets it compares the counters that this moved with them, and the task's rows; after each rule the ledger is proved as a whole.
"""

import logging
import math
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test

from conduit import clock as the_clock
from keys import budget_owners, budgets, services
from keys.ledger import Entry
from keys.models import Budget, BudgetAlert, Period, Team, UsageCost
from keys.reconciliation import discrepancies
from keys.services import create_key
from tasks import leases, lifecycle
from tasks.models import Status, Task
from tests.conftest import Consumer
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.planned_clips import planned_clip
from videos import engine
from videos.models import Clip, ClipState, Video

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)
# What each size costs for each length, in ten-thousandths of a dollar: base 0.20 USD for six seconds, not rounded yet.
PRICES = {
    ("1280x720", 6): Fraction(2000),
    ("1280x720", 1): Fraction(1000, 3),
    ("1920x1080", 7): Fraction(3500),
    ("720x480", 10): Fraction(8000, 3),
    ("1080x1920", 1): Fraction(500),
}
ZERO = Decimal(0)
# Who asks, for which size, for how many seconds.
WISHES = st.tuples(st.integers(0, 2), st.sampled_from(sorted(PRICES))).map(lambda wish: (wish[0], *wish[1]))


class Crash(Exception):
    """The process dies before its commit."""


@dataclass
class Book:
    """What one task must have done to the money, as its owner would work it out."""

    owner: int
    wish: tuple[str, int]
    team: bool  # whether its key was in the team when it was created
    day: date
    price: Decimal
    sent: bool = False
    ended: str = ""

    @property
    def held(self) -> Decimal:
        return ZERO if self.ended else self.price

    @property
    def charged(self) -> Decimal:
        return self.price if self.ended == "completed" or (self.ended == "cancelled" and self.sent) else ZERO


class Money(RuleBasedStateMachine):
    """Two keys of a team and one alone, with budgets of their own and together."""

    tasks = Bundle("tasks")
    clock: Any
    made = 0

    def __init__(self) -> None:
        super().__init__()
        self.clock.move_to(NOON, tick=False)
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.team = Team.objects.create(name="film")
        self.consumers = [
            Consumer(*create_key(name=name, team=team)) for name, team in (("ann", self.team), ("bob", self.team), ("carl", None))
        ]
        self.members = [True, True, False]
        self.factors: dict[int | None, str | None] = {}  # by the key's number, or None for the team
        self.limits: dict[int | None, dict[str, Decimal]] = {}  # by the key's number, or None for the team
        self._give(None, {Period.TOTAL: "30", Period.DAILY: "6"})
        for number in range(3):
            self._give(number, {Period.DAILY: "4.3333", Period.TOTAL: "20"})
        self.books: dict[str, Book] = {}
        self.sums: dict[tuple[Any, str, Any], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])

    def _give(self, number: int | None, wanted: dict[str, str]) -> None:
        self.limits[number] = {period: Decimal(amount) for period, amount in wanted.items()}
        fields = [{"period": period, "amount": amount} for period, amount in self.limits[number].items()]
        budget_owners.set_budgets(self._owner(number), fields, who="root")

    def _owner(self, number: int | None) -> Any:
        return self.team if number is None else self.consumers[number].key

    def teardown(self) -> None:
        self.atomic.__exit__(Crash, Crash(), None)

    # ---- What happens

    @initialize(target=tasks, wishes=st.lists(WISHES, min_size=20, max_size=40))
    def begin(self, wishes: list[tuple[int, str, int]]) -> Any:
        return self.create(wishes, crash=False)

    @rule(target=tasks, wishes=st.lists(WISHES, min_size=5, max_size=20), crash=st.integers(0, 5).map(lambda number: number == 5))
    def create(self, wishes: list[tuple[int, str, int]], crash: bool) -> Any:
        if crash:
            return self._crash_while_creating(*wishes[0])
        made = [self._create(owner, size, seconds) for owner, size, seconds in wishes]
        return multiple(*[task_id for task_id in made if task_id])

    def _crash_while_creating(self, owner: int, size: str, seconds: int) -> Any:
        wanted = {"model": "minimax-video", "prompt": "a cat", "resolution": size, "duration": seconds}
        with suppress(Crash), transaction.atomic():
            self.consumers[owner].post("/v1/video/generations", wanted)
            raise Crash
        return multiple()

    def _create(self, owner: int, size: str, seconds: int) -> str | None:
        wanted = {"model": "minimax-video", "prompt": "a cat", "resolution": size, "duration": seconds}
        return self._accepted(owner, (size, seconds), lambda consumer: consumer.post("/v1/video/generations", wanted))

    @rule(target=tasks, task_id=tasks)
    def retry(self, task_id: str) -> Any:
        book = self.books[task_id]
        path = f"/v1/video/generations/{task_id}/retry"
        if book.ended != "failed":
            assert self.consumers[book.owner].post(path).status_code == 409
            return multiple()
        new = self._accepted(book.owner, book.wish, lambda consumer: consumer.post(path))
        return multiple(*[new] if new else [])

    def _price(self, owner: int, wish: tuple[str, int]) -> Decimal:
        """Today's: the list price times the key's factor, or else its team's, rounded half up and once."""
        of_team = self.factors.get(None) if self.members[owner] else None
        exact = PRICES[wish] * Fraction(self.factors.get(owner) or of_team or "1")
        return Decimal(math.floor(exact + Fraction(1, 2))) / 10000

    def _accepted(self, owner: int, wish: tuple[str, int], post: Any) -> str | None:
        """The new task's id, or None when a budget had less left: as these books say, and not otherwise."""
        price = self._price(owner, wish)
        payers = [owner, None] if self.members[owner] else [owner]
        limits = [(payer, period, limit) for payer in payers for period, limit in self.limits[payer].items()]
        fits = all(sum(self._counters(payer, period)) + price <= limit for payer, period, limit in limits)
        answer = post(self.consumers[owner])
        assert answer.status_code == (202 if fits else 402), answer.content
        if not fits:
            assert "quota" in answer.json()["error"]["message"]
            self._look(owner)
            return None
        Money.made += 1
        task_id: str = answer.json()["task_id"]
        self.books[task_id] = Book(owner, wish, self.members[owner], self._today(), price)
        self._count(self.books[task_id], held=price)
        self._look(owner, task_id=task_id)
        return task_id

    def _count(self, book: Book, *, held: Decimal = ZERO, charged: Decimal = ZERO) -> None:
        """Keep the sums that budgets of any period must show, whether there is one or not."""
        for payer in (book.owner, None) if book.team else (book.owner,):
            for period, start in ((Period.TOTAL, None), (Period.DAILY, book.day)):
                sums = self.sums[payer, period, start]
                sums[0] += held
                sums[1] += charged

    def _ended(self, task_id: str, status: str) -> None:
        book = self.books[task_id]
        book.ended = status
        self._count(book, held=-book.price, charged=book.charged)
        self._look(book.owner, task_id=task_id)

    @rule(
        number=st.sampled_from([None, 0, 1, 2]),
        wanted=st.dictionaries(st.sampled_from([Period.TOTAL, Period.DAILY]), st.sampled_from(["0.3", "5", "9.9999", "40"])),
    )
    def change_budgets(self, number: int | None, wanted: dict[str, str]) -> None:
        """An administrator lowers, raises, removes or adds budgets, also ones that were there before."""
        self._give(number, wanted)
        self._look(*(range(3) if number is None else [number]))

    @rule(number=st.sampled_from([None, 0, 1, 2]), factor=st.sampled_from([None, "0.8", "0.3333", "1.2345", "3"]))
    def change_price_factors(self, number: int | None, factor: str | None) -> None:
        """What is held already stays at its price."""
        self.factors[number] = factor
        budget_owners.change(self._owner(number), who="root", price_factor=None if factor is None else Decimal(factor))
        self._look(*(range(3) if number is None else [number]))

    @rule(number=st.integers(0, 2))
    def join_or_leave_the_team(self, number: int) -> None:
        self.members[number] = not self.members[number]
        services.change_key(self.consumers[number].key, who="root", team=self.team if self.members[number] else None)
        self._look(number)

    @rule(task_ids=st.lists(tasks, min_size=1, max_size=6, unique=True), crash=st.booleans())
    def send(self, task_ids: list[str], crash: bool) -> None:
        for task_id in task_ids:
            self._send(task_id, crash)

    def _send(self, task_id: str, crash: bool) -> None:
        """The engine stores the intent, then what MiniMax answered; a crash in between leaves the intent alone."""
        book = self.books[task_id]
        if book.ended or Task.objects.get(pk=task_id).status != Status.QUEUED:
            return
        book.sent = True
        clips = Clip.objects.filter(video_id=task_id)
        if not clips:
            for number in range(len(Video.objects.get(pk=task_id).plan["clips"])):
                planned_clip(task_id, number)
        clips.update(state=ClipState.SUBMITTING, sent_at=NOON, creates=1)
        if crash:
            return
        clips.update(state=ClipState.SUBMITTED, provider_task_id="7")
        assert lifecycle.move(UUID(task_id), Status.PROCESSING, started_at=NOON)

    @rule(task_ids=st.lists(tasks, min_size=1, max_size=6, unique=True))
    def complete(self, task_ids: list[str]) -> None:
        for task_id in task_ids:
            self._complete(task_id)

    def _complete(self, task_id: str) -> None:
        book = self.books[task_id]
        made = Task.objects.get(pk=task_id).status == Status.PROCESSING
        assert self._end(task_id, Status.COMPLETED, progress=100) is made
        if made:
            assert book.sent
            assert not book.ended
            self._ended(task_id, "completed")

    @rule(task_id=tasks)
    def fail(self, task_id: str) -> None:
        book = self.books[task_id]
        assert self._end(task_id, Status.FAILED, error="no", error_code="provider_error") is not bool(book.ended)
        if not book.ended:
            self._ended(task_id, "failed")

    @rule(task_id=tasks)
    def cancel(self, task_id: str) -> None:
        book = self.books[task_id]
        answer = self.consumers[book.owner].delete(f"/v1/video/generations/{task_id}")
        assert answer.status_code == (409 if book.ended in ("completed", "failed") else 200)
        if not book.ended:
            self._ended(task_id, "cancelled")
        if book.ended == "cancelled":
            assert answer.json()["cost"]["charged"] == f"{book.charged:.4f}"

    @rule(task_id=tasks, status=st.sampled_from([Status.COMPLETED, Status.FAILED, Status.CANCELLED]))
    def crash_while_ending(self, task_id: str, status: Status) -> None:
        """The process dies after it wrote the end and its money, and before the commit."""
        fields = {"completed": {"progress": 100}, "failed": {"error": "no", "error_code": "provider_error"}}.get(status, {})
        with suppress(Crash), transaction.atomic():
            self._end(task_id, status, **fields)
            raise Crash

    @rule(task_id=tasks)
    def run_out_of_time(self, task_id: str) -> None:
        """The engine finds that the task waited to be sent for too long, or that a create was cut off, and gives it up."""
        book = self.books[task_id]
        task = Task.objects.get(pk=task_id)
        if book.ended or task.status != Status.QUEUED:
            return
        long_ago = self.clock_now() - timedelta(days=3)
        # Whoever held its lease is gone by then.
        Task.objects.filter(pk=task_id).update(created_at=long_ago, stage_since=long_ago, next_step_at=long_ago, lease_until=long_ago)
        Clip.objects.filter(video=task_id, sent_at__isnull=False).update(sent_at=long_ago)  # what became of it is no longer found out
        engine.advance(UUID(task_id), lane=task.lane)
        assert Task.objects.get(pk=task_id).status == Status.FAILED
        self._ended(task_id, "failed")

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.clock.shift(timedelta(hours=hours))

    def _end(self, task_id: str, status: Status, **fields: Any) -> bool:
        pk = UUID(task_id)
        lease = leases.take(pk, lane="provider")
        return lifecycle.move(pk, status, lease=lease, **fields)

    # ---- What must hold after each

    def clock_now(self) -> datetime:
        return the_clock.now()

    def _today(self) -> date:
        return self.clock_now().date()

    def _counters(self, payer: int | None, period: str) -> tuple[Decimal, Decimal]:
        held, charged = self.sums[payer, period, None if period == Period.TOTAL else self._today()]
        return held, charged

    def _look(self, *numbers: int, task_id: str | None = None) -> None:
        """What one step moved: the counters of these keys and of the team, and the rows of the task."""
        for payer in (*numbers, None):
            self._look_at_budgets(payer)
        if task_id:
            book, rows = self.books[task_id], dict(UsageCost.objects.filter(task_id=task_id).values_list("entry", "amount"))
            resolved = {Entry.CAPTURE: book.charged, Entry.RELEASE: book.price - book.charged} if book.ended else {}
            assert rows.pop(Entry.HOLD) == book.price
            assert {entry: amount for entry, amount in rows.items() if amount} == {
                entry: amount for entry, amount in resolved.items() if amount
            }
            assert Task.objects.get(pk=task_id).charged == (book.charged if book.ended else None)

    def _look_at_budgets(self, payer: int | None) -> None:
        found = budgets.states(Budget.objects.filter(team=self.team) if payer is None else Budget.objects.filter(key=self._owner(payer)))
        assert {state.budget.period: state.limit for state in found} == self.limits[payer]
        for state in found:
            assert (state.held, state.spent) == self._counters(payer, state.budget.period), (payer, state.budget)

    @invariant()
    def the_ledger_agrees_with_itself_and_with_the_tasks(self) -> None:
        assert list(discrepancies()) == []

    @invariant()
    def nothing_is_captured_but_for_a_completion_or_a_clip_sent_before_the_cancel(self) -> None:
        captured = dict(UsageCost.objects.filter(entry=Entry.CAPTURE).values_list("task_id", "amount"))
        assert captured == {UUID(task_id): book.charged for task_id, book in self.books.items() if book.ended}
        assert UsageCost.objects.filter(entry=Entry.HOLD).count() == len(self.books)

    @invariant()
    def no_threshold_is_told_twice_or_without_being_reached(self) -> None:
        alerts = list(BudgetAlert.objects.values_list("window_id", "percent", "limit"))
        assert len(alerts) == len(set(alerts))


def run(clock: Any, *, tasks: int, steps: int) -> None:
    Money.clock, Money.made = clock, 0
    while Money.made < tasks:
        effort = settings(
            max_examples=1 if tasks < 100 else 5,
            stateful_step_count=steps,
            deadline=None,  # how fast is measured elsewhere
            database=None,  # nothing is kept between runs
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        run_state_machine_as_test(Money, settings=effort)


@pytest.fixture(autouse=True)
def quiet(caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL)


def test_the_money_of_a_few_dozen_random_tasks_adds_up_after_each_step(time_travel: Any) -> None:
    run(time_travel, tasks=60, steps=25)


@pytest.mark.soak
def test_the_money_of_2000_random_tasks_adds_up_after_each_step(time_travel: Any) -> None:
    run(time_travel, tasks=2000, steps=30)
