from django.db import migrations, models


class Migration(migrations.Migration):
    """Apart from the numbering: Postgres changes no table whose rows have just been written in the same transaction."""

    dependencies = [
        ('tasks', '0003_positions'),
    ]

    operations = [
        migrations.AlterField(
            model_name='taskevent',
            name='position',
            field=models.BigIntegerField(help_text="Its place in the key's history: what the API calls event id."),
        ),
        migrations.RemoveIndex(
            model_name='taskevent',
            name='event_of_key',
        ),
        migrations.AddConstraint(
            model_name='taskevent',
            constraint=models.UniqueConstraint(fields=('key', 'position'), name='event_each_position_once_per_key'),
        ),
        migrations.AddIndex(
            model_name='taskevent',
            index=models.Index(fields=['created_at'], name='event_age'),
        ),
    ]
