"""The audit, for tests that begin after something that it told."""

from django.db import connection


def forget_audit() -> None:
    """As the database's own user may, whom no guard of rows stops."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE keys_auditentry" if connection.vendor == "postgresql" else "DELETE FROM keys_auditentry")
