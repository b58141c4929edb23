from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("conditions", "0002_processes"),
    ]

    operations = [
        migrations.CreateModel(
            name="DatabaseIdentity",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("identity", models.CharField(max_length=100)),
                ("worked_at", models.DateTimeField(help_text="When the engine last worked with it, to some seconds.")),
            ],
            options={"verbose_name_plural": "database identities"},
        ),
    ]
