"""Whose a secret is, as one statement: for the ways in that do without Django's ORM."""

from datetime import datetime
from functools import cache

from conduit.statements import Columns, Row
from keys.models import KeySecret, Team, VirtualKey
from keys.services import hash_secret

_SECRET, _KEY, _TEAM = Columns(KeySecret, "s"), Columns(VirtualKey, "k"), Columns(Team, "t")


def looking_for(secret: str, also: str, moment: datetime) -> tuple[str, list[bytes]]:
    """A statement, and its values as PostgreSQL reads them, that gives `found` its row: one for right, wrong and disabled secrets alike.

    `also`: more columns, in which $2 is `moment`.
    """
    return _sql(also), [hash_secret(secret).encode(), moment.isoformat().encode()]


@cache
def _sql(also: str) -> str:
    columns = ", ".join(filter(None, [_SECRET.sql, _KEY.sql, _TEAM.sql, "k.xmin", also]))
    return (
        f"SELECT {columns} FROM {_SECRET.source} JOIN {_KEY.source} ON k.id = s.key_id "  # noqa: S608 - our own columns
        f"LEFT JOIN {_TEAM.source} ON t.id = k.team_id WHERE s.secret_hash = $1"
    )


def found(row: Row) -> tuple[KeySecret, Row]:
    """The secret with its key and the key's team, as Django's own query would have made them, and what else was asked for."""
    of_key = len(_SECRET.fields)
    of_team = of_key + len(_KEY.fields)
    version = of_team + len(_TEAM.fields)
    secret, key = _SECRET.made_of(row[:of_key]), _KEY.made_of(row[of_key:of_team])
    secret.key = key
    key.team = _TEAM.made_of(row[of_team:version]) if row[of_team] is not None else None
    key.row_version = row[version]
    return secret, row[version + 1 :]
