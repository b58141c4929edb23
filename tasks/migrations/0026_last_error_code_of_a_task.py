"""The field has the API's word. The column keeps its own, which processes of the release before read and write."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("tasks", "0025_traces"),
    ]

    operations = [
        migrations.AlterField(
            model_name="task",
            name="trouble",
            field=models.CharField(
                blank=True, db_column="trouble", help_text="What its step was last refused for: it waits and tries again.", max_length=40
            ),
        ),
        migrations.RenameField(model_name="task", old_name="trouble", new_name="last_error_code"),
    ]
