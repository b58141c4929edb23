from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_traces")]

    operations = [
        migrations.CreateModel(
            name="FailingHost",
            fields=[
                (
                    "target",
                    models.CharField(
                        help_text="The receiver, as its deliveries name it.", max_length=320, primary_key=True, serialize=False
                    ),
                ),
                ("failing_since", models.DateTimeField(help_text="Of the first failure since its last success.")),
                ("tried_at", models.DateTimeField(help_text="When it was last called.")),
            ],
            options={"indexes": [models.Index(fields=["tried_at"], name="host_failing")]},
        ),
    ]
