from typing import Any

from django.db import migrations, models

NEW_VERSION = """
CREATE FUNCTION videos_new_catalogue_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO videos_catalogueversion (id, version) VALUES (1, gen_random_uuid())
    ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$
"""
# By everything of a row but what finished clips teach: a column that comes later counts too.
CHANGED = "(to_jsonb(old.*) - 'learned' IS DISTINCT FROM to_jsonb(new.*) - 'learned')"
TABLES = ("videos_videomodel", "videos_resolutionfactor", "videos_blockedterm")


def begin(apps: Any, schema_editor: Any) -> None:
    """SQLite has no version: the catalogue is read each time there."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(NEW_VERSION)
    for table in TABLES:
        name = f"{table}_version"
        call = "EXECUTE FUNCTION videos_new_catalogue_version()"
        schema_editor.execute(f"CREATE TRIGGER {name} AFTER INSERT OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT {call}")
        schema_editor.execute(f"CREATE TRIGGER {name}_changed AFTER UPDATE ON {table} FOR EACH ROW WHEN {CHANGED} {call}")
    schema_editor.execute("INSERT INTO videos_catalogueversion (id, version) VALUES (1, gen_random_uuid())")


def end(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        schema_editor.execute(f"DROP TRIGGER {table}_version ON {table}")
        schema_editor.execute(f"DROP TRIGGER {table}_version_changed ON {table}")
    schema_editor.execute("DROP FUNCTION videos_new_catalogue_version()")


class Migration(migrations.Migration):
    dependencies = [("videos", "0014_bills_of_months_and_models")]

    operations = [
        migrations.CreateModel(
            name="CatalogueVersion",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("version", models.UUIDField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="catalogue_has_one_version")],
            },
        ),
        migrations.RunPython(begin, end),
    ]
