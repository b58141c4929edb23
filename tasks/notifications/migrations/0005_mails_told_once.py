from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0004_hosts_that_fail")]

    operations = [
        migrations.AddField(
            model_name="mail",
            name="once",
            field=models.CharField(blank=True, help_text="What is told but once under this name.", max_length=200, null=True),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.UniqueConstraint(fields=("once",), name="mail_is_written_once"),
        ),
    ]
