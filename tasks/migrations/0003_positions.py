import django.db.models.deletion
from django.db import migrations, models

NUMBER = """
    UPDATE tasks_taskevent SET position = numbered.position
    FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY key_id ORDER BY id) AS position FROM tasks_taskevent) AS numbered
    WHERE numbered.id = tasks_taskevent.id
"""
OPEN_FEEDS = """
    INSERT INTO tasks_feed (key_id, position, kept_from)
    SELECT key_id, MAX(position), 1 FROM tasks_taskevent GROUP BY key_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0004_one_home_for_secrets'),
        ('tasks', '0002_what_counts_against_a_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='Feed',
            fields=[
                ('key', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='keys.virtualkey')),
                ('position', models.BigIntegerField(help_text='Of its newest event. Positions are dense: each is one more than the one before.')),
                ('kept_from', models.BigIntegerField(help_text='From this position on every event is kept; of those before, some were forgotten.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kept_from__gte', 1), ('position__gte', 1)), name='feed_begins_at_one')],
            },
        ),
        migrations.AddField(
            model_name='taskevent',
            name='position',
            field=models.BigIntegerField(null=True, help_text="Its place in the key's history: what the API calls event id."),
        ),
        migrations.AlterField(
            model_name='taskevent',
            name='facts',
            field=models.JSONField(blank=True, default=dict, help_text="What the task's row will not tell any more, such as its progress then."),
        ),
        # Backwards there is nothing to do: the column and the table go.
        migrations.RunSQL([NUMBER, OPEN_FEEDS], migrations.RunSQL.noop),
    ]
