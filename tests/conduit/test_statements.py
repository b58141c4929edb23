"""Rows that are written by statements of our own are those that Django would have written."""

from decimal import Decimal

import pytest
from django.db import connection, models, transaction

from conduit import clock, statements
from conduit.statements import Columns, Statement, insert, insert_new
from keys.models import Budget, BudgetAlert, BudgetWindow, Period, UsageCost, VirtualKey
from tasks.models import Task, TaskEvent
from tests.conftest import Consumer
from tests.support.ending import end
from tests.support.tampering import tampering
from videos.models import Video

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def stored(model, pk):
    """A row as the database has it, every column of it."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{model._meta.db_table}" WHERE "{model._meta.pk.column}" = %s', [_key(pk)])
        names = [column[0] for column in cursor.description]
        [row] = cursor.fetchall()
    return dict(zip(names, row, strict=True))


def _key(pk):
    return pk.hex if connection.vendor == "sqlite" and hasattr(pk, "hex") else pk


def again_by_django(row):
    """The same row, written by Django instead."""
    pk = row.pk
    with tampering():
        models.QuerySet(type(row)).filter(pk=pk)._raw_delete("default")
    fresh = type(row)(**{field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields})
    fresh.save(force_insert=True)
    return stored(type(row), pk)


def alike(row):
    ours = stored(type(row), row.pk)
    assert ours.keys() == {field.column for field in row._meta.concrete_fields}
    assert ours == again_by_django(row)


@pytest.fixture
def created(consumer: Consumer):
    consumer.key.budgets.create(period=Period.DAILY, time_zone="Europe/Berlin", amount=Decimal("1.3"))
    consumer.generate(prompt='naïve 🎬 "quotes" %s 100 %', metadata={"a": "ä", "%s": "b"}, duration=17, resolution="1080x1920")
    return Task.objects.select_related("video").get()


def test_every_row_of_a_create_is_the_one_that_django_would_write_column_by_column(created):
    event, cost = TaskEvent.objects.get(), UsageCost.objects.get()
    window, alert = BudgetWindow.objects.get(), BudgetAlert.objects.first()
    assert created.video.plan["clips"]

    for row in (alert, window, cost, event, created.video):
        alike(row)
    with tampering():
        UsageCost.objects.all()._raw_delete("default")
    TaskEvent.objects.all().delete()
    Video.objects.all().delete()
    alike(created)


def test_a_retry_has_its_original_and_every_other_column_too(consumer):
    failed = end(consumer.generate()["task_id"], "failed")
    again = consumer.post(f"/v1/video/generations/{failed.pk}/retry").json()["task_id"]
    task = Task.objects.get(pk=again)

    assert task.retry_of_id == failed.pk
    assert task.price_factor == 1
    TaskEvent.objects.filter(task=again).delete()
    Video.objects.filter(pk=again).delete()
    alike(task)


@pytest.mark.parametrize("model", [Task, TaskEvent, UsageCost, Video, VirtualKey, BudgetAlert])
def test_a_column_that_comes_later_is_written_and_read_too(model):
    sql, fields, _ = statements._insert(model, (), 1, False, "")

    assert [field.column for field in fields] == [field.column for field in model._meta.concrete_fields]
    assert all(f'"{field.column}"' in sql for field in fields)
    assert Columns(model, "x").fields == fields


def test_rows_that_are_read_are_those_of_django(consumer):
    consumer.key.budgets.create(period=Period.TOTAL, amount=Decimal("0.25"), raised_to=Decimal(1), raised_until=clock.now())
    VirtualKey.objects.update(
        model_names=["video-01"], highest_price=Decimal("2.5"), last_used_from="10.0.0.1", price_factor=Decimal("0.5")
    )
    for model in (VirtualKey, Budget):
        columns = Columns(model, "x")
        row = model.objects.get()

        [[found]] = statements.do(Statement(f"SELECT {columns.sql} FROM {columns.source} WHERE x.id = %s", [row.pk], columns.fields))

        made = columns.made_of(found)
        assert {field.attname: getattr(made, field.attname) for field in columns.fields} == {
            field.attname: getattr(row, field.attname) for field in columns.fields
        }
        assert made == row


def test_rows_that_meet_another_are_left_out_of_those_that_are_new(created):
    alerts = list(BudgetAlert.objects.order_by("percent"))
    window = BudgetWindow.objects.get()
    more = [BudgetAlert(window=window, percent=percent, limit=Decimal("1.3")) for percent in (50, 75, 90)]

    statements.do(*insert_new(more))

    assert list(BudgetAlert.objects.values_list("percent", flat=True).order_by("percent")) == [50, 75, 90]
    assert [alert.pk for alert in BudgetAlert.objects.filter(percent__in=[alert.percent for alert in alerts]).order_by("percent")] == [
        alert.pk for alert in alerts
    ]
    assert insert_new([]) == []


def test_what_fails_is_raised_where_it_was_asked(db):
    caught = []

    def steps():
        try:
            yield [Statement("SELECT nothing_of_that_name")]
        except Exception as error:
            caught.append(type(error).__name__)
            raise LookupError from error

    with pytest.raises(LookupError), transaction.atomic():
        statements.run(steps())
    assert caught == (["ProgrammingError"] if connection.vendor == "postgresql" else ["OperationalError"])


def test_a_row_without_an_id_gets_one(consumer):
    row = UsageCost(key=consumer.key, entry="credit", amount=Decimal(1))

    [[(pk,)]] = statements.do(insert(row, returning="id"))

    assert UsageCost.objects.get(pk=pk).amount == 1
