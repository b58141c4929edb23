import conduit.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0008_management_keys_with_bounds'),
    ]

    operations = [
        # Defaults live in Python: there is nothing to do in the database, where SQLite would copy whole tables.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='auditentry',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='budget',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='budgetalert',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now),
                ),
                migrations.AlterField(
                    model_name='keysecret',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now),
                ),
                migrations.AlterField(
                    model_name='managementkey',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='team',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='usagecost',
                    name='counted_at',
                    field=models.DateTimeField(default=conduit.clock.now, help_text='It counts in the periods that hold this moment.'),
                ),
                migrations.AlterField(
                    model_name='usagecost',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='virtualkey',
                    name='created_at',
                    field=models.DateTimeField(default=conduit.clock.now, editable=False),
                ),
            ]
        ),
    ]
