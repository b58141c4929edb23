from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0015_runs_need_a_right'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('status__in', ['queued', 'processing'])), fields=['lane', 'next_step_at'], name='task_due_in_lane'),
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_due',
        ),
    ]
