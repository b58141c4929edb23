from django.db import migrations, models
from django.db.models import Sum
from django.db.models.functions import TruncMonth

SUMS = ("tasks", "held", "charged", "released", "refunded", "credited", "adjusted")
BATCH = 1_000


def add_up_months(apps, schema_editor):
    """Months hold all that days do: those too that were counted before there were months."""
    Cursor = apps.get_model("rollups", "Cursor")
    Day, Month = apps.get_model("keys", "MoneyOfDay"), apps.get_model("keys", "MoneyOfMonth")
    list(Cursor.objects.select_for_update().filter(pk="ledger"))  # nobody counts meanwhile
    Month.objects.all().delete()
    months = Day.objects.annotate(month=TruncMonth("day")).order_by().values("month", "key_id", "team_id", "model")
    rows = months.annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    Month.objects.bulk_create(
        (
            Month(
                **{name: row[name] for name in ("month", "key_id", "team_id", "model")},
                **{name: round(row[f"sum_{name}"], 4) for name in SUMS},
            )
            for row in rows.iterator(chunk_size=BATCH)
        ),
        batch_size=BATCH,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0014_alerts_of_lately'),
        ('rollups', '0001_cursors'),
    ]

    operations = [
        migrations.RunPython(add_up_months, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name='moneyofmonth',
            index=models.Index(fields=['team_id', 'month'], name='money_of_month_of_team'),
        ),
    ]
