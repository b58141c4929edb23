from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("keys", "0019_client_tokens"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="virtualkey",
            index=models.Index(
                fields=["expires_at"], condition=Q(("deleted_at", None), ("expires_at__isnull", False)), name="key_expires"
            ),
        ),
    ]
