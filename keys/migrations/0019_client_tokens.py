import django.db.models.deletion
from django.db import migrations, models

import conduit.clock


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0018_contacts_and_alerts_to_tell'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClientToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('prefix', models.CharField(help_text='The start of the token, to tell tokens apart.', max_length=16)),
                ('token_hash', models.CharField(help_text='SHA-256 of the token, in hex.', max_length=64, unique=True)),
                ('task_id', models.UUIDField(blank=True, help_text='The one task that it reads, by its plain id. Empty: all of the key.', null=True)),
                ('creates', models.BooleanField(default=False, help_text='Whether it makes tasks, within what stands below.')),
                ('tasks_max', models.PositiveIntegerField(blank=True, help_text='Tasks that it may make.', null=True)),
                ('usd_max', models.DecimalField(blank=True, decimal_places=4, help_text='USD of them. Empty: what the key may.', max_digits=12, null=True)),
                ('model_names', models.JSONField(blank=True, default=list, help_text='Models that it may use. Empty: those of the key.')),
                ('created_at', models.DateTimeField(default=conduit.clock.now, editable=False)),
                ('expires_at', models.DateTimeField()),
                ('secret', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='client_tokens', to='keys.keysecret')),
            ],
            options={
                'verbose_name': 'client token',
                'ordering': ['-id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['expires_at'], name='client_token_ended')],
                'constraints': [
                    models.CheckConstraint(
                        condition=models.Q(('creates', True), ('task_id', None), ('tasks_max__gte', 1))
                        | models.Q(('creates', False), ('tasks_max', None), ('usd_max', None)),
                        name='client_token_has_bounds_when_it_creates',
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name='ClientTokenTask',
            fields=[
                ('task_id', models.UUIDField(help_text="The task's plain id: this room knows no tasks.", primary_key=True, serialize=False)),
                ('token', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='made', to='keys.clienttoken')),
            ],
            options={
                'verbose_name': 'task of a client token',
                'default_permissions': (),
            },
        ),
    ]
