from django.db import migrations, models

WORDS = (
    "Gets mail about it: of its budgets, of keys that are about to end, of webhooks that stop. "
    "Empty: its team's does, or nobody."
)


class Migration(migrations.Migration):
    dependencies = [("keys", "0021_audit_kept_for_a_time")]

    operations = [
        migrations.AlterField(
            model_name=name,
            name="contact_email",
            field=models.EmailField(blank=True, db_default="", default="", help_text=WORDS, max_length=254),
        )
        for name in ("team", "virtualkey")
    ]
