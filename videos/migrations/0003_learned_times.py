from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('videos', '0002_catalogue'),
    ]

    operations = [
        migrations.AddField(
            model_name='videomodel',
            name='learned',
            field=models.JSONField(default=dict, editable=False, help_text='What its clips took lately: {"720P 6": [seconds until made, until delivered]}.'),
        ),
    ]
