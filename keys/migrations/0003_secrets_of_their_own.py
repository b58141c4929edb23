from django.db import migrations


def copy_secrets(apps, schema_editor):
    """Every key keeps its one secret, as a row of its own."""
    secret = apps.get_model("keys", "KeySecret")
    for key in apps.get_model("keys", "VirtualKey").objects.iterator():
        secret.objects.create(key=key, prefix=key.prefix, secret_hash=key.secret_hash, created_at=key.created_at)


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_limits_and_budgets")]

    operations = [migrations.RunPython(copy_secrets, migrations.RunPython.noop)]
