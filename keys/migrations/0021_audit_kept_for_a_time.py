from typing import Any

from django.db import migrations

# As it was (0010), but for rows that are a month old and more, when the sweep says that it is that.
FINAL = """
CREATE OR REPLACE FUNCTION keys_auditentry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {unless}
    RAISE EXCEPTION 'an audit row is never changed or deleted';
END $$
"""
UNLESS = """
    IF TG_OP = 'DELETE' AND current_setting('conduit.forgets_audit', true) = 'on' AND OLD.created_at < now() - interval '30 days' THEN
        RETURN OLD;
    END IF;
"""


def let_old_ones_go(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FINAL.format(unless=UNLESS))


def let_none_go(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FINAL.format(unless=""))


class Migration(migrations.Migration):
    dependencies = [("keys", "0020_keys_that_expire")]

    operations = [migrations.RunPython(let_old_ones_go, let_none_go)]
