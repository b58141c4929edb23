from django.db import migrations, models

KINDS = [("key", "a virtual key"), ("management_key", "a management key"), ("user", "an account of the console")]


class Migration(migrations.Migration):
    """With a default of the database: processes of the release before go on writing rows while this one starts."""

    dependencies = [("api", "0002_what_kept_answers_show")]

    operations = [
        migrations.AddField(
            "keptanswer",
            "owner_kind",
            models.CharField(
                max_length=20, choices=KINDS, blank=True, default="", db_default="", help_text="What `owner` is the id of. Empty: not noted."
            ),
        ),
        migrations.AlterField(
            "keptanswer",
            "owner",
            models.BigIntegerField(help_text="Whose call it was, by the plain id of its `owner_kind`: this room knows no keys."),
        ),
        migrations.AddConstraint(
            "keptanswer",
            models.CheckConstraint(
                condition=models.Q(owner_kind__in=["", *(kind for kind, _ in KINDS)]), name="answer_owner_kind_is_known"
            ),
        ),
    ]
