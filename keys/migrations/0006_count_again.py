"""Postgres alters no table whose rows were changed in the same transaction: the columns come before this, the constraints after."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import migrations

EFFECTS = {"hold": (1, 0), "capture": (-1, 1), "release": (-1, 0), "refund": (0, -1), "credit": (0, -1), "adjustment": (0, 1)}


def count_again(apps, schema_editor):
    """Rows named the windows that they moved; now they say where they count, and every window counts all of its rows.

    A row's team is the one whose window it moved. Where it moved none it is unknown: it counts in no team.
    """
    Budget, Window, Alert, Cost = (apps.get_model("keys", name) for name in ("Budget", "BudgetWindow", "BudgetAlert", "UsageCost"))
    apps.get_model("keys", "VirtualKey").objects.filter(budgets__isnull=False).update(budgeted=True)
    teams = dict(Window.objects.exclude(budget__team=None).values_list("pk", "budget__team_id"))
    taken_at = dict(Cost.objects.filter(entry="hold").values_list("task_id", "created_at"))
    for cost in Cost.objects.all().iterator():
        cost.counted_at = taken_at.get(cost.task_id, cost.created_at)
        if cost.entry != "credit":  # credits are the key's alone
            cost.team_id = next((teams[window] for window in cost.windows if window in teams), None)
        cost.save(update_fields=["counted_at", "team_id"])
    for budget in Budget.objects.all():
        _count(budget, Cost)
    for alert in Alert.objects.select_related("window__budget"):
        alert.limit = alert.window.budget.amount
        alert.save(update_fields=["limit"])


def _count(budget, Cost):
    windows = list(budget.windows.order_by("starts_at"))
    rows = Cost.objects.filter(key_id=budget.key_id) if budget.key_id else Cost.objects.filter(team_id=budget.team_id)
    for window in windows:
        window.ends_at = _end(budget, window.starts_at)
        window.held = window.spent = Decimal(0)
    for row in rows.iterator():
        for window in windows:
            if window.starts_at <= row.counted_at and (window.ends_at is None or row.counted_at < window.ends_at):
                to_held, to_spent = EFFECTS[row.entry]
                window.held += to_held * row.amount
                window.spent += to_spent * row.amount
    for window in windows:
        window.save(update_fields=["ends_at", "held", "spent"])


def _end(budget, starts_at):
    """When the period that began then ends."""
    zone = ZoneInfo(budget.time_zone)
    first = starts_at.astimezone(zone).date()
    match budget.period:
        case "daily":
            following = first + timedelta(days=1)
        case "weekly":
            following = first + timedelta(days=7)
        case "monthly":
            following = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        case _:
            return None
    return datetime.combine(following, time(), zone).astimezone(UTC)


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0005_where_a_cost_counts'),
    ]

    operations = [
        migrations.RunPython(count_again, migrations.RunPython.noop, elidable=True),
    ]
