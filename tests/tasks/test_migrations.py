"""What earlier versions wrote becomes what this one reads."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from tasks.models import Task

# Migrating back and forth takes long, and nothing of it changes any more: each run migrates an empty database anyway.
pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite, pytest.mark.soak]

BEFORE = [("tasks", "0005_moments_by_the_one_clock"), ("keys", "0009_moments_by_the_one_clock")]


@pytest.fixture
def earlier() -> Iterator[tuple[StateApps, Callable[[], object]]]:
    """The models of before, and what brings the database to now."""
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    executor.migrate(BEFORE)
    bring_to_now = lambda: MigrationExecutor(connection).migrate(leaves)  # noqa: E731
    yield executor.loader.project_state(BEFORE).apps, bring_to_now
    bring_to_now()


def test_a_task_gets_the_team_whose_budgets_its_hold_counts_in(earlier, monkeypatch):
    monkeypatch.setattr(import_module("tasks.migrations.0007_teams_of_tasks"), "BATCH", 2)
    apps, bring_to_now = earlier
    OldTask, Key, Team, Cost = (
        apps.get_model(*name.split(".")) for name in ("tasks.Task", "keys.VirtualKey", "keys.Team", "keys.UsageCost")
    )
    film, news = (Team.objects.create(name=name) for name in ("film", "news"))
    key = Key.objects.create(name="ann", team=news)  # where it is by now says nothing of then

    def task(team: Any) -> Any:
        made = OldTask.objects.create(key=key, kind="video_generation", model="minimax-video", price=Decimal("0.2"))
        for entry in ("hold", "release"):
            Cost.objects.create(key=key, task_id=made.pk, entry=entry, amount=Decimal("0.2"), team_id=team and team.pk)
        return made.pk

    expected = {task(team): team and team.pk for team in (film, None, news, film, film)}
    bring_to_now()

    assert dict(Task.objects.values_list("pk", "team_id")) == expected
