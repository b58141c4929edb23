from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0005_mails_told_once")]

    operations = [
        migrations.RemoveIndex(model_name="delivery", name="delivery_of_tasks_own"),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["task_id", "-id"], condition=models.Q(("task_id__isnull", False)), name="delivery_about_task"
            ),
        ),
    ]
