"""A row of the ledger cannot be changed or deleted: what was wrong is corrected by a further row.

On SQLite a table that Django makes anew, as it does when a column changes, loses its triggers: a migration that does so makes them again
(`guard`), and tests/keys/test_ledger.py finds it when none does.
"""

from typing import Any

from django.db import migrations

WORDS = "a ledger row is never changed or deleted: write the row that corrects it"
GUARD = {
    "postgresql": [
        f"""
        CREATE FUNCTION keys_usagecost_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{WORDS}';
        END $$
        """,
        """
        CREATE TRIGGER keys_usagecost_is_final BEFORE UPDATE OR DELETE ON keys_usagecost
        FOR EACH ROW EXECUTE FUNCTION keys_usagecost_is_final()
        """,
        """
        CREATE TRIGGER keys_usagecost_stays BEFORE TRUNCATE ON keys_usagecost
        FOR EACH STATEMENT EXECUTE FUNCTION keys_usagecost_is_final()
        """,
    ],
    "sqlite": [
        f"CREATE TRIGGER keys_usagecost_is_final BEFORE UPDATE ON keys_usagecost BEGIN SELECT RAISE(ABORT, '{WORDS}'); END",
        f"CREATE TRIGGER keys_usagecost_stays BEFORE DELETE ON keys_usagecost BEGIN SELECT RAISE(ABORT, '{WORDS}'); END",
    ],
}
UNGUARD = {
    "postgresql": [
        "DROP TRIGGER IF EXISTS keys_usagecost_stays ON keys_usagecost",
        "DROP TRIGGER IF EXISTS keys_usagecost_is_final ON keys_usagecost",
        "DROP FUNCTION IF EXISTS keys_usagecost_is_final()",
    ],
    "sqlite": ["DROP TRIGGER IF EXISTS keys_usagecost_stays", "DROP TRIGGER IF EXISTS keys_usagecost_is_final"],
}


def guard(apps: Any, schema_editor: Any) -> None:
    for statement in GUARD[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def unguard(apps: Any, schema_editor: Any) -> None:
    for statement in UNGUARD[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("keys", "0022_contacts_told_of_more")]

    operations = [migrations.RunPython(guard, unguard)]
