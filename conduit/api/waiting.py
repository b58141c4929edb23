"""How long a transaction of the API may wait for another one, and how long it may stand still.

Postgres waits without an end unless it is told otherwise: a call whose rows somebody holds would hang until its client is
gone. SQLite needs none of this: its transactions wait for their turn as a whole (the connection's timeout), and who is gone
holds nothing.
"""

from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

# How long a statement waits for a lock before the call is told to come back, in seconds: long enough for dozens of calls of one
# key, which are done one after the other, on a machine that is busy (5 s refused 8 of 64 at once on two crowded cores).
WAIT_SECONDS = 10
# A process that hangs in the middle of a transaction, or whose host is gone, loses what it holds after this, in seconds.
LAPSE_SECONDS = 30


def limits_sql() -> str:
    """SQL that sets both for the rest of the transaction, as two columns of a SELECT."""
    return (
        f"set_config('lock_timeout', '{WAIT_SECONDS}s', true), set_config('idle_in_transaction_session_timeout', '{LAPSE_SECONDS}s', true)"
    )


def bounded() -> Q | RawSQL:
    """A condition that always holds, for the statement of a transaction that locks first: judging it sets both limits.

    A row is judged before it is locked, so that this costs no statement of its own.
    """
    if connection.vendor != "postgresql":
        return Q()
    return RawSQL(f"ROW({limits_sql()}) IS NOT NULL", [], output_field=BooleanField())  # noqa: S611 - two constants
