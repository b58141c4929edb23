from typing import Any

from django.db import migrations, models

COLUMNS = [
    ("actor", models.CharField(max_length=60, blank=True, default="", help_text="The same as a row, such as user:3. Empty: neither account nor key.")),
    ("address", models.CharField(max_length=100, blank=True, default="", help_text="The client's address; of a command the host. Empty: no one's.")),
    ("target_kind", models.CharField(max_length=60, editable=False, default="", help_text="What of the target is before the colon.")),
    ("target_name", models.CharField(max_length=150, blank=True, default="", help_text="What the target was called at the time.")),
]
INDEXES = [
    models.Index(fields=["target", "id"], name="audit_of_target"),
    models.Index(fields=["who", "id"], name="audit_of_who"),
    models.Index(fields=["address", "id"], name="audit_from_address"),
    models.Index(fields=["action", "id"], name="audit_of_action"),
    models.Index(fields=["target_kind", "id"], name="audit_of_kind"),
    models.Index(fields=["created_at"], name="audit_by_time"),
]
KINDS = {
    "postgresql": "UPDATE keys_auditentry SET target_kind = split_part(target, ':', 1)",
    "sqlite": "UPDATE keys_auditentry SET target_kind = substr(target, 1, instr(target || ':', ':') - 1)",
}
# SQLite has the guard of the model alone: emptying its tables, as tests do, is deleting rows.
GUARD = [
    """
    CREATE FUNCTION keys_auditentry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an audit row is never changed or deleted';
    END $$
    """,
    """
    CREATE TRIGGER keys_auditentry_is_final BEFORE UPDATE OR DELETE ON keys_auditentry
    FOR EACH ROW EXECUTE FUNCTION keys_auditentry_is_final()
    """,
]
UNGUARD = ["DROP TRIGGER keys_auditentry_is_final ON keys_auditentry", "DROP FUNCTION keys_auditentry_is_final()"]


def name_kinds(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(KINDS[schema_editor.connection.vendor])


def guard(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in GUARD:
            schema_editor.execute(statement)


def unguard(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in UNGUARD:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("keys", "0009_moments_by_the_one_clock")]

    operations = [
        *(migrations.AddField("auditentry", name, field, preserve_default=False) for name, field in COLUMNS),
        migrations.AlterField(
            "auditentry", "who", models.CharField(max_length=150, help_text="An account's name, a management key's name and prefix, or who ran which command.")
        ),
        migrations.AlterField(
            "auditentry", "changes", models.JSONField(default=dict, blank=True, help_text="Of what was made or deleted its values; of what was changed [before, after].")
        ),
        migrations.RunPython(name_kinds, migrations.RunPython.noop),
        *(migrations.AddIndex("auditentry", index) for index in INDEXES),
        migrations.RunPython(guard, unguard),
    ]
