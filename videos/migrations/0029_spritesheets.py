import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0025_traces'),
        ('videos', '0028_orders_of_before_a_restore'),
    ]

    operations = [
        migrations.CreateModel(
            name='Spritesheet',
            fields=[
                ('task', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='tasks.task')),
                ('due_at', models.DateTimeField(blank=True, help_text='When it is to be made; while it is being made, when another may take it up. Empty: it is over.', null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0, help_text='How often it was begun.')),
                ('file', models.CharField(blank=True, help_text='Name in the storage.', max_length=200)),
                ('size_bytes', models.PositiveBigIntegerField(blank=True, null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='spritesheet_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('file', ''), models.Q(('due_at', None), ('size_bytes__gt', 0)), _connector='OR'), name='spritesheet_there_is_awaited_no_more')],
            },
        ),
    ]
