from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0004_one_home_for_secrets'),
        ('tasks', '0001_initial'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('status__in', ['queued', 'processing'])), fields=['key'], name='task_in_flight'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(fields=['key', 'created_at'], name='task_lately'),
        ),
    ]
