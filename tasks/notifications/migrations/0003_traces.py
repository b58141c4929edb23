from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_versions_of_the_audience")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", default="", help_text="Its task's W3C trace.", max_length=55),
        ),
    ]
