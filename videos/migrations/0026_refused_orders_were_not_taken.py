from django.db import migrations


def tell_refused_from_lost(apps, schema_editor):
    """Clips that MiniMax refused stood like those whose answer was lost: of these alone it is not known whether it took them."""
    apps.get_model("videos", "Clip").objects.filter(
        pk__in=apps.get_model("videos", "Clip")
        .objects.filter(state="submitting", video__task__status="failed")
        .exclude(video__task__error_code="provider_timeout")
        .values("pk")
    ).update(state="planned")


class Migration(migrations.Migration):

    dependencies = [
        ("videos", "0025_outcomes_of_orders"),
    ]

    operations = [
        migrations.RunPython(tell_refused_from_lost, migrations.RunPython.noop),
    ]
