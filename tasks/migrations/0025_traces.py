from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("tasks", "0024_events_to_be_told"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="traceparent",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, help_text="The W3C trace of who asked for it.", max_length=55
            ),
        ),
    ]
