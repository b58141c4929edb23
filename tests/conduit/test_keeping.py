"""What sweeps delete: some at a time, as old as settings say, and of the audit nothing that is young."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from conduit import batches, clock
from conduit.rollups.jobs import forget_old_roll_ups
from keys import audit, audit_retention
from keys.models import AuditEntry
from keys.rollup_models import MoneyOfDay, MoneyOfMonth
from tasks.rollup_models import TaskCount

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def old_rows(days, count=1):
    for _ in range(count):
        audit.record(action="brew", target="tea")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE keys_auditentry DISABLE TRIGGER keys_auditentry_is_final")
    ids = list(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True)[:count])
    super(type(AuditEntry.objects.all()), AuditEntry.objects.filter(pk__in=ids)).update(created_at=clock.now() - timedelta(days=days))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE keys_auditentry ENABLE TRIGGER keys_auditentry_is_final")


def test_audit_rows_are_kept_for_good_or_for_so_many_days(settings, monkeypatch):
    monkeypatch.setattr(audit_retention, "BATCH", 1000)
    old_rows(41, count=3)
    old_rows(39)
    assert audit_retention.forget_old() == 0
    settings.AUDIT_KEPT_DAYS = 40

    assert audit_retention.forget_old() == 3
    assert AuditEntry.objects.count() == 1


def delete_with(setting):
    """Rows that are a month old are let go by the sweep alone, and younger ones by nobody."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL conduit.forgets_audit = '{setting}'")
        cursor.execute("DELETE FROM keys_auditentry WHERE created_at > now() - interval '35 days' OR %s = 'off'", [setting])


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has the guard of the model alone")
def test_nobody_else_deletes_an_audit_row_and_the_sweep_no_young_one():
    old_rows(41)
    old_rows(29)
    for setting in ("off", "on"):
        with pytest.raises(DatabaseError, match="never changed or deleted"):
            delete_with(setting)
    assert AuditEntry.objects.count() == 2


def test_what_was_counted_by_day_is_kept_as_long_as_the_settings_say_and_months_for_good(settings):
    now = clock.now()
    for days in (91, 93):
        MoneyOfDay.objects.create(day=(now - timedelta(days=days)).date(), key_id=1)
    MoneyOfMonth.objects.create(month="2020-01-01", key_id=1)
    forget_old_roll_ups()
    assert MoneyOfDay.objects.count() == 2
    settings.DAYS_KEPT = 92

    forget_old_roll_ups()

    assert MoneyOfDay.objects.count() == 1
    assert MoneyOfMonth.objects.count() == 1


def test_much_is_deleted_some_at_a_time(monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 2)
    TaskCount.objects.bulk_create(
        TaskCount(step=60, starts_at=clock.now() - timedelta(hours=hour), status="queued", model="m") for hour in range(5)
    )

    assert batches.delete(TaskCount.objects.all()) == 5
    assert TaskCount.objects.count() == 0
