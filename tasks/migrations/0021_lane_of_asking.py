from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0020_money_settled_later'),
    ]

    operations = [
        # Rows that stand in the lane before are asked for there once more, and come to this one with the answer.
        migrations.AlterField(
            model_name='task',
            name='lane',
            field=models.CharField(choices=[('provider', 'Provider'), ('asking', 'Asking'), ('media', 'Media')], default='provider', max_length=10),
        ),
    ]
