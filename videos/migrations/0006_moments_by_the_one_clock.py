import conduit.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('videos', '0005_price_bounds'),
    ]

    operations = [
        # Defaults live in Python: there is nothing to do in the database, where SQLite would copy whole tables.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='blockedterm',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='timing',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now),
                ),
            ]
        ),
    ]
