"""Rights of their own for cancelling, retrying and pausing. Whoever could stop work may go on doing so, and resume it."""

from django.db import migrations


def one_right_for_pauses(apps, schema_editor):
    """Made here and not by `post_migrate`, which comes too late to hand it to those who had the ones that it stands for."""
    ContentType, Permission = apps.get_model("contenttypes.ContentType"), apps.get_model("auth.Permission")
    pause, _ = ContentType.objects.get_or_create(app_label="tasks", model="pause")
    former = Permission.objects.filter(content_type=pause, codename__in=["add_pause", "change_pause", "delete_pause"])
    one, _ = Permission.objects.get_or_create(content_type=pause, codename="pause_work", defaults={"name": "Can stop and resume work"})
    for stops in former.filter(codename="add_pause"):
        one.user_set.add(*stops.user_set.all())
        one.group_set.add(*stops.group_set.all())
    former.delete()


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('tasks', '0008_pauses'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='pause',
            options={'default_permissions': ('view',), 'ordering': ['-id'], 'permissions': [('pause_work', 'Can stop and resume work')]},
        ),
        migrations.AlterModelOptions(
            name='task',
            options={'ordering': ['-id'], 'permissions': [('cancel_task', 'Can cancel any task'), ('retry_task', 'Can retry any task')]},
        ),
        migrations.RunPython(one_right_for_pauses, migrations.RunPython.noop, elidable=True),
    ]
