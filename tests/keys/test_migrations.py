"""What earlier versions wrote becomes what this one reads."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from keys.models import BudgetAlert, BudgetWindow, UsageCost, VirtualKey

# Migrating back and forth takes long, and nothing of it changes any more: each run migrates an empty database anyway.
pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite, pytest.mark.soak]

BEFORE = ("keys", "0004_one_home_for_secrets")
PRICE = Decimal("0.2")
EVENING, MORNING = datetime(2026, 6, 9, 21, 30, tzinfo=UTC), datetime(2026, 6, 10, 6, tzinfo=UTC)
# Where the days of Berlin begin, and its months.
YESTERDAY, TODAY, TOMORROW = (datetime(2026, 6, day, 22, tzinfo=UTC) for day in (8, 9, 10))
MONTH, NEXT_MONTH = datetime(2026, 5, 31, 22, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC)


def migrate(*targets: tuple[str, str]) -> StateApps:
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets))
    return executor.loader.project_state(list(targets)).apps


@pytest.fixture
def earlier() -> Iterator[tuple[StateApps, Callable[[], object]]]:
    """The models of before, and what brings the database to now."""
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    apps = migrate(BEFORE)
    yield apps, lambda: migrate(*leaves)
    migrate(*leaves)


def test_rows_that_named_their_windows_say_where_they_count_and_windows_count_them_all(earlier):
    apps, bring_to_now = earlier
    Key, Team, Budget, Window, Alert, Cost = (
        apps.get_model("keys", name) for name in ("VirtualKey", "Team", "Budget", "BudgetWindow", "BudgetAlert", "UsageCost")
    )
    film = Team.objects.create(name="film")
    ann, bob = Key.objects.create(name="ann", team=film), Key.objects.create(name="bob")
    daily = Budget.objects.create(key=ann, period="daily", time_zone="Europe/Berlin", amount=1)
    monthly = Budget.objects.create(team=film, period="monthly", time_zone="Europe/Berlin", amount=5)
    total = Budget.objects.create(key=bob, period="total", amount=9)
    yesterday = Window.objects.create(budget=daily, starts_at=YESTERDAY, spent=PRICE)
    today = Window.objects.create(budget=daily, starts_at=TODAY, held=PRICE)
    month = Window.objects.create(budget=monthly, starts_at=MONTH, held=PRICE, spent=PRICE)
    # It was made after bob spent, and counted from zero.
    ever = Window.objects.create(budget=total, starts_at=datetime(1970, 1, 1, tzinfo=UTC))
    Alert.objects.create(window=today, percent=50)

    def write(key: Any, entry: str, windows: list[Any], at: datetime, task_id: UUID | None, amount: Decimal = PRICE) -> None:
        ids = [window.pk for window in windows]
        Cost.objects.create(key=key, entry=entry, windows=ids, created_at=at, task_id=task_id, amount=amount)

    over_midnight, running, bobs = uuid4(), uuid4(), uuid4()
    write(ann, "hold", [yesterday, month], EVENING, over_midnight)
    write(ann, "capture", [yesterday, month], MORNING, over_midnight)
    write(ann, "hold", [today, month], MORNING, running)
    write(ann, "credit", [today], MORNING, None, Decimal("0.05"))
    write(bob, "hold", [], EVENING, bobs)
    write(bob, "capture", [], MORNING, bobs)

    bring_to_now()

    assert dict(VirtualKey.objects.values_list("name", "budgeted")) == {"ann": True, "bob": True}
    assert list(UsageCost.objects.order_by("id").values_list("entry", "team_id", "counted_at")) == [
        ("hold", film.pk, EVENING),
        ("capture", film.pk, EVENING),
        ("hold", film.pk, MORNING),
        ("credit", None, MORNING),
        ("hold", None, EVENING),
        ("capture", None, EVENING),
    ]
    assert {row.pk: (row.ends_at, row.held, row.spent) for row in BudgetWindow.objects.all()} == {
        yesterday.pk: (TODAY, 0, PRICE),
        today.pk: (TOMORROW, PRICE, Decimal("-0.05")),
        month.pk: (NEXT_MONTH, PRICE, PRICE),
        ever.pk: (None, 0, PRICE),
    }
    assert BudgetAlert.objects.get().limit == 1
