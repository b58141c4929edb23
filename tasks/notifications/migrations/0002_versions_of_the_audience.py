from typing import Any

from django.db import migrations, models

NEW_VERSION = """
CREATE FUNCTION notifications_new_audience_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notifications_audienceversion (id, version) VALUES (1, gen_random_uuid())
    ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$
"""
ENDPOINTS = "notifications_endpoint"
# Whom it is told of, and whether it is; that it fails or is well again is written often, and changes neither.
CHANGED = """
(old.key_id, old.team_id, old.wants_tasks, old.disabled_at IS NULL)
IS DISTINCT FROM (new.key_id, new.team_id, new.wants_tasks, new.disabled_at IS NULL)
"""


def begin(apps: Any, schema_editor: Any) -> None:
    """SQLite has no version: endpoints are looked for each time there."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(NEW_VERSION)
    call = "EXECUTE FUNCTION notifications_new_audience_version()"
    schema_editor.execute(f"CREATE TRIGGER audience_version AFTER INSERT OR DELETE OR TRUNCATE ON {ENDPOINTS} FOR EACH STATEMENT {call}")
    schema_editor.execute(f"CREATE TRIGGER audience_version_changed AFTER UPDATE ON {ENDPOINTS} FOR EACH ROW WHEN ({CHANGED}) {call}")
    schema_editor.execute("INSERT INTO notifications_audienceversion (id, version) VALUES (1, gen_random_uuid())")


def end(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for trigger in ("audience_version", "audience_version_changed"):
        schema_editor.execute(f"DROP TRIGGER {trigger} ON {ENDPOINTS}")
    schema_editor.execute("DROP FUNCTION notifications_new_audience_version()")


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_webhooks")]

    operations = [
        migrations.CreateModel(
            name="AudienceVersion",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("version", models.UUIDField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="audience_has_one_version")],
            },
        ),
        migrations.RunPython(begin, end),
    ]
