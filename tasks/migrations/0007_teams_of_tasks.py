from collections import defaultdict

from django.db import migrations

BATCH = 5_000


def name_teams(apps, schema_editor):
    """Each task gets the team whose budgets its hold counts in."""
    Task, Cost = apps.get_model("tasks", "Task"), apps.get_model("keys", "UsageCost")
    holds = Cost.objects.filter(entry="hold", team_id__isnull=False).order_by("pk")
    last = 0
    while rows := list(holds.filter(pk__gt=last).values_list("pk", "task_id", "team_id")[:BATCH]):
        tasks_of = defaultdict(list)
        for last, task_id, team_id in rows:
            tasks_of[team_id].append(task_id)
        for team_id, task_ids in tasks_of.items():
            Task.objects.filter(pk__in=task_ids, team_id=None).update(team_id=team_id)


class Migration(migrations.Migration):

    # Each batch by itself: nobody waits for the rows of all the others.
    atomic = False

    dependencies = [
        ('keys', '0009_moments_by_the_one_clock'),
        ('tasks', '0006_tasks_by_what_is_searched'),
    ]

    operations = [migrations.RunPython(name_teams, migrations.RunPython.noop)]
