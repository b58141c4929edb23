from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0006_count_again'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='budgetalert',
            name='alert_once_per_window_and_threshold',
        ),
        migrations.RemoveField(
            model_name='usagecost',
            name='windows',
        ),
        migrations.AddIndex(
            model_name='usagecost',
            index=models.Index(fields=['key', 'counted_at'], name='cost_counted_of_key'),
        ),
        migrations.AddIndex(
            model_name='usagecost',
            index=models.Index(condition=models.Q(('team_id__isnull', False)), fields=['team_id', 'counted_at'], name='cost_counted_of_team'),
        ),
        migrations.AddConstraint(
            model_name='budgetalert',
            constraint=models.UniqueConstraint(fields=('window', 'percent', 'limit'), name='alert_once_per_window_threshold_and_limit'),
        ),
    ]
