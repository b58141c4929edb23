"""Two thousand random tasks: whatever happens to them, in whatever order, the money adds up after each step.

The machine keeps books of its own, from what callers and MiniMax see alone, and compares them with the ledger, the
budgets' counters and the tasks.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test

from keys.ledger import Entry
from keys.models import BudgetAlert, BudgetWindow, Period, Team, UsageCost
from keys.proof import differences
from keys.services import create_key
from tasks import leases, lifecycle
from tasks.models import Status, Task
from tests.conftest import Consumer
from videos import engine
from videos.models import Clip, ClipState

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, pytest.mark.soak]

TASKS_MIN = 2000
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)
# What each size costs for each length, in ten-thousandths of a dollar: base 0.20 USD for six seconds, rounded half up.
PRICES = {("1280x720", 6): 2000, ("1280x720", 1): 333, ("1920x1080", 7): 3500, ("720x480", 10): 2667, ("1080x1920", 1): 500}
ZERO = Decimal(0)
# Who asks, for which size, for how many seconds.
WISHES = st.tuples(st.integers(0, 2), st.sampled_from(sorted(PRICES))).map(lambda wish: (wish[0], *wish[1]))


class Crash(Exception):
    """The process dies before its commit."""


@dataclass
class Book:
    """What one task must have done to the money, as its owner would work it out."""

    owner: int
    price: Decimal
    windows: dict[str, Any]  # by budget: the day on which it was created counts, whenever it ends
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
        team = Team.objects.create(name="film")
        self.consumers = [Consumer(*create_key(name=name, team=team_)) for name, team_ in (("ann", team), ("bob", team), ("carl", None))]
        self.limits: dict[str, tuple[Decimal, Any]] = {}
        self.binding: dict[int, list[str]] = defaultdict(list)
        self.budget_ids: dict[str, int] = {}
        self._budget("team total", team, Period.TOTAL, "30", [0, 1])
        self._budget("team daily", team, Period.DAILY, "6", [0, 1])
        for number, consumer in enumerate(self.consumers):
            self._budget(f"key {number} daily", consumer.key, Period.DAILY, "4.3333", [number])
            self._budget(f"key {number} total", consumer.key, Period.TOTAL, "20", [number])
        self.books: dict[str, Book] = {}

    def _budget(self, name: str, owner: Any, period: str, amount: str, keys: list[int]) -> None:
        budget = owner.budgets.create(period=period, amount=Decimal(amount))
        self.budget_ids[name] = budget.pk
        self.limits[name] = (Decimal(amount), period)
        for key in keys:
            self.binding[key].append(name)

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
        return self._accepted(owner, PRICES[size, seconds], lambda consumer: consumer.post("/v1/video/generations", wanted))

    @rule(target=tasks, task_id=tasks)
    def retry(self, task_id: str) -> Any:
        book = self.books[task_id]
        path = f"/v1/video/generations/{task_id}/retry"
        if book.ended != "failed":
            assert self.consumers[book.owner].post(path).status_code == 409
            return multiple()
        new = self._accepted(book.owner, int(book.price * 10000), lambda consumer: consumer.post(path))
        return multiple(*[new] if new else [])

    def _accepted(self, owner: int, ten_thousandths: int, post: Any) -> str | None:
        """The new task's id, or None when a budget had less left: as these books say, and not otherwise."""
        price = Decimal(ten_thousandths) / 10000
        windows = {name: self._period(name) for name in self.binding[owner]}
        fits = all(self._used(name, start) + price <= self.limits[name][0] for name, start in windows.items())
        answer = post(self.consumers[owner])
        assert answer.status_code == (202 if fits else 402), answer.content
        if not fits:
            assert "quota" in answer.json()["error"]["message"]
            return None
        Money.made += 1
        task_id: str = answer.json()["task_id"]
        self.books[task_id] = Book(owner, price, windows)
        return task_id

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
        clip, _ = Clip.objects.get_or_create(video_id=task_id, number=0)
        Clip.objects.filter(pk=clip.pk).update(state=ClipState.SUBMITTING, sent_at=NOON, creates=1)
        if crash:
            return
        Clip.objects.filter(pk=clip.pk).update(state=ClipState.SUBMITTED, provider_task_id="7")
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
            book.ended = "completed"

    @rule(task_id=tasks)
    def fail(self, task_id: str) -> None:
        book = self.books[task_id]
        assert self._end(task_id, Status.FAILED, error="no", error_code="provider_error") is not bool(book.ended)
        book.ended = book.ended or "failed"

    @rule(task_id=tasks)
    def cancel(self, task_id: str) -> None:
        book = self.books[task_id]
        answer = self.consumers[book.owner].delete(f"/v1/video/generations/{task_id}")
        assert answer.status_code == (409 if book.ended in ("completed", "failed") else 200)
        book.ended = book.ended or "cancelled"
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
        engine.advance(UUID(task_id), lane=task.lane)
        assert Task.objects.get(pk=task_id).status == Status.FAILED
        book.ended = "failed"

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.clock.shift(timedelta(hours=hours))

    def _end(self, task_id: str, status: Status, **fields: Any) -> bool:
        pk = UUID(task_id)
        lease = leases.take(pk, lane="provider")
        return lifecycle.move(pk, status, lease=lease, **fields)

    # ---- What must hold after each

    def clock_now(self) -> datetime:
        return datetime.now(UTC)

    def _period(self, name: str) -> Any:
        return "always" if self.limits[name][1] == Period.TOTAL else self.clock_now().date()

    def _used(self, name: str, start: Any) -> Decimal:
        return sum((book.held + book.charged for book in self._counted(name, start)), ZERO)

    def _counted(self, name: str, start: Any) -> Iterator[Book]:
        return (book for book in self.books.values() if book.windows.get(name) == start)

    @invariant()
    def the_ledger_agrees_with_itself_and_with_the_tasks(self) -> None:
        assert list(differences()) == []

    @invariant()
    def the_counters_are_what_these_books_say_and_no_budget_is_exceeded(self) -> None:
        windows = {(window.budget_id, window.starts_at): window for window in BudgetWindow.objects.all()}
        expected = {(self.budget_ids[name], start): name for book in self.books.values() for name, start in book.windows.items()}
        found = {
            (budget_id, "always" if starts_at.year == 1970 else starts_at.date()): (window.held, window.spent)
            for (budget_id, starts_at), window in windows.items()
        }
        assert set(found) == set(expected)
        for (budget_id, start), name in expected.items():
            counted = list(self._counted(name, start))
            held, spent = (sum(amounts, ZERO) for amounts in ([book.held for book in counted], [book.charged for book in counted]))
            assert found[budget_id, start] == (held, spent)
            assert held + spent <= self.limits[name][0]

    @invariant()
    def nothing_is_captured_but_for_a_completion_or_a_clip_sent_before_the_cancel(self) -> None:
        captured = dict(UsageCost.objects.filter(entry=Entry.CAPTURE).values_list("task_id", "amount"))
        assert captured == {UUID(task_id): book.charged for task_id, book in self.books.items() if book.ended}
        assert UsageCost.objects.filter(entry=Entry.HOLD).count() == len(self.books)

    @invariant()
    def no_threshold_is_told_twice_or_without_being_reached(self) -> None:
        alerts = list(BudgetAlert.objects.values_list("window_id", "percent"))
        assert len(alerts) == len(set(alerts))


def test_the_money_of_2000_random_tasks_adds_up_after_each_step(time_machine: Any, caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL)
    Money.clock, Money.made = time_machine, 0
    while Money.made < TASKS_MIN:
        run_state_machine_as_test(Money, settings=EFFORT)


EFFORT = settings(
    max_examples=5,
    stateful_step_count=30,
    deadline=None,  # how fast is measured elsewhere
    database=None,  # nothing is kept between runs
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
