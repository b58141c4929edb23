"""Whose a secret is, as one statement: for whoever authenticates calls without Django's ORM."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from conduit.statements import Columns, Row, Statement
from keys.models import KeySecret, Team, VirtualKey
from keys.services import hash_secret

_SECRET, _KEY, _TEAM = Columns(KeySecret, "s"), Columns(VirtualKey, "k"), Columns(Team, "t")


def looking_for(secret: str, also: str = "", values: Sequence[Any] = ()) -> Statement:
    """Gives `found` its row: one for right, wrong and disabled secrets alike. `also`: more columns, asked with `values`."""
    return Statement(_sql(also), [*values, hash_secret(secret)])


@cache
def _sql(also: str) -> str:
    columns = ", ".join(filter(None, [_SECRET.sql, _KEY.sql, _TEAM.sql, also]))
    return (
        f"SELECT {columns} FROM {_SECRET.source} JOIN {_KEY.source} ON k.id = s.key_id "  # noqa: S608 - our own columns
        f"LEFT JOIN {_TEAM.source} ON t.id = k.team_id WHERE s.secret_hash = %s"
    )


def found(row: Row) -> tuple[KeySecret, Row]:
    """The secret with its key and the key's team, as Django's own query would have made them, and what else was asked for."""
    of_key = len(_SECRET.fields)
    of_team = of_key + len(_KEY.fields)
    rest = of_team + len(_TEAM.fields)
    secret, key = _SECRET.made_of(row[:of_key]), _KEY.made_of(row[of_key:of_team])
    secret.key = key
    key.team = _TEAM.made_of(row[of_team:rest]) if row[of_team] is not None else None
    return secret, row[rest:]
