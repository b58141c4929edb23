"""Whether the database is the one that the place last worked with, or was restored from a backup since: then the engine waits.

What was sent to MiniMax after the backup's moment is in no row. Until `manage.py after_restore` has put every order before an operator
who can tell what became of it, no step is done: nothing is sent twice. A database is known by what PostgreSQL gave its cluster, itself
and one of our tables: a dump that is loaded makes new ones, wherever. A copy of the cluster's files has the same, and is not noticed.
"""

import time
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created
from django.db.models import Case, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from conduit.conditions.models import DatabaseIdentity, moment
from conduit.conditions.registry import Condition, Findings, Severity

# What was found counts for so long in a process, and as long as its connections are those that it had.
KNOWN_SECONDS = 1.0
# The row says when the engine last worked to so many seconds.
WORKED_SECONDS = 10.0

_TABLE = DatabaseIdentity._meta.db_table
_OWN = f"""
SELECT (SELECT system_identifier FROM pg_control_system())::text || ':' || oid::text || ':' || '{_TABLE}'::regclass::oid::text
FROM pg_database WHERE datname = current_database()
"""  # noqa: S608 - our own table


def is_restored() -> bool:
    """One query now and then; may be asked before every step."""
    at, found = _known.found
    if time.monotonic() - at > KNOWN_SECONDS:
        found = _look()
        _known.found = (time.monotonic(), found)
    return found


def accept() -> None:
    """From now on this is the database that the place works with."""
    DatabaseIdentity.objects.update_or_create(pk=DatabaseIdentity.ONLY, defaults={"identity": own_identity(), "worked_at": Now()})
    _known.forget()


def own_identity() -> str:
    """This database's. SQLite's files have none: they are for one host, and are not noticed."""
    return _read()[0]


def _look() -> bool:
    own, kept, is_old = _read()
    if kept is None:
        DatabaseIdentity.objects.bulk_create([DatabaseIdentity(identity=own, worked_at=Now())], ignore_conflicts=True)
    elif kept == own and is_old:
        DatabaseIdentity.objects.filter(pk=DatabaseIdentity.ONLY).update(worked_at=Now())
    return kept is not None and kept != own


def _read() -> tuple[str, str | None, bool]:
    """What this database is, what the row says, and whether it is long ago that the engine worked with it. One query."""
    is_postgresql = connection.vendor == "postgresql"
    row = DatabaseIdentity.objects.filter(pk=DatabaseIdentity.ONLY)
    found = row.annotate(
        own=RawSQL(_OWN, ()) if is_postgresql else Value("sqlite"),  # noqa: S611 - our own words
        is_old=Case(When(worked_at__lt=moment(-WORKED_SECONDS), then=True), default=False),
    )
    kept = found.values_list("own", "identity", "is_old").first()
    if kept:
        return kept
    if not is_postgresql:
        return "sqlite", None, False
    with connection.cursor() as cursor:
        cursor.execute(_OWN)
        return str(cursor.fetchone()[0]), None, False


def last_worked_at() -> datetime | None:
    """When a process of the engine last asked, by this database: some seconds before the backup, or before all of them stopped. None: it
    is from before this was kept."""
    return DatabaseIdentity.objects.filter(pk=DatabaseIdentity.ONLY).values_list("worked_at", flat=True).first()


class _Known:
    """What this process found last. A connection that is new may lead to another database."""

    def __init__(self) -> None:
        self.found = (-float("inf"), False)

    def forget(self, **_: Any) -> None:
        self.found = (-float("inf"), False)


_known = _Known()
connection_created.connect(_known.forget, dispatch_uid="conduit.conditions.restored")


def _holds() -> Findings:
    return {"": "It is another one than the place last worked with."} if is_restored() else {}


RESTORED = Condition(
    name="restored",
    severity=Severity.UNAVAILABLE,
    says="The database was restored from a backup: no step is done, so that nothing is ordered twice at MiniMax.",
    found_by="PostgreSQL's identity differs from the one in a row of ours.",
    what_to_do="Run `manage.py after_restore`: it puts every order that may have been sent since the backup to where it is found out what "
    "became of it. If the place was stopped before the backup was made, `manage.py after_restore --moved`.",
    look=_holds,
)
