"""The audit, for tests that begin after something that it told."""

from django.db import connection

from conduit import clock


def forget_audit() -> None:
    """As the database's own user may, whom no guard of rows stops."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE keys_auditentry" if connection.vendor == "postgresql" else "DELETE FROM keys_auditentry")


# One each second until now. Half is one account's doing, the oldest tenth that of somebody who has left; the very first row is alone
# of its kind.
_ROWS = """
INSERT INTO keys_auditentry (who, actor, address, action, target, target_kind, target_name, changes, created_at)
SELECT who, '', '10.0.' || n %% 200 || '.1', action, kind || ':' || n %% 5000, kind, 'target ' || n %% 5000,
    jsonb_build_object('base_price', jsonb_build_array('0.5800', (n %% 900)::text), 'note', 'row ' || n),
    %(now)s - make_interval(secs => %(rows)s - n)
FROM (
    SELECT n, CASE
            WHEN n = 1 THEN 'once' WHEN n <= %(rows)s / 10 THEN 'left long ago' WHEN n %% 4 < 2 THEN 'busy' ELSE 'account ' || n %% 20
        END AS who,
        (ARRAY['change', 'change', 'change', 'create', 'delete', 'log in', 'rotate', 'fail to log in'])[1 + n %% 8] AS action,
        (ARRAY['key', 'team', 'videomodel', 'user', 'task', 'budget'])[1 + n %% 6] AS kind
    FROM generate_series(1, %(rows)s) AS n
) AS made
"""


def make_audit(rows: int) -> None:
    """So many rows, made by PostgreSQL itself within seconds."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"rows": rows, "now": clock.now()})
        cursor.execute("VACUUM ANALYZE keys_auditentry")  # as PostgreSQL does by itself after so many
