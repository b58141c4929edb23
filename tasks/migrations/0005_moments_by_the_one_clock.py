import conduit.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0004_each_event_has_its_position'),
    ]

    operations = [
        # Defaults live in Python: there is nothing to do in the database, where SQLite would copy whole tables.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='task',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='task',
                    name='leg_started_at',
                    field=models.DateTimeField(default=conduit.clock.now),
                ),
                migrations.AlterField(
                    model_name='task',
                    name='next_step_at',
                    field=models.DateTimeField(blank=True, default=conduit.clock.now, null=True),
                ),
                migrations.AlterField(
                    model_name='task',
                    name='stage_since',
                    field=models.DateTimeField(default=conduit.clock.now),
                ),
                migrations.AlterField(
                    model_name='task',
                    name='updated_at',
                    field=models.DateTimeField(default=conduit.clock.now),
                ),
                migrations.AlterField(
                    model_name='taskevent',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
            ]
        ),
    ]
