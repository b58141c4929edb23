from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("videos", "0027_kept_for_a_time"),
    ]

    operations = [
        migrations.AddField(
            model_name="clip",
            name="sent_until",
            field=models.DateTimeField(
                blank=True, help_text="Of an order that may have been sent in what a restored database lacks: when that ended.", null=True
            ),
        ),
    ]
