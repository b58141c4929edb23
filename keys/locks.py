"""Who waits for whom where money moves.

Every transaction that moves money of a key first locks the key's row and then its team's, and so does a change of their
budgets. One thing at a time happens to the money of a key or team: what a counter is made of, or a limit is compared with,
is read while nobody else writes it. Rows that only point to a key or team are kept waiting by neither.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError

from conduit import statements
from conduit.api.errors import sqlstate
from conduit.statements import Columns, Rows, Statement, Steps
from keys.models import Team, VirtualKey

_KEY, _TEAM = Columns(VirtualKey, "k"), Columns(Team, "t")
# Of rows to which others point.
_LOCK = " FOR NO KEY UPDATE OF"
_DIVISION_BY_ZERO = "22012"


class Moved(Exception):
    """What a transaction went by is not so any more: nothing of it was done, and it is to ask under the lock."""


def locking(key: VirtualKey, *along: Statement) -> Steps[tuple[VirtualKey, list[Rows] | None]]:
    """The key as it is now, with its team, both locked: in one statement when its team is still the one that `key` says.

    `along` goes with it, and sees what the lock waited for: statements that read what the key and team of `key` own. None comes of it
    when the team is another by now.

    Raises:
        VirtualKey.DoesNotExist: there is no such row any more.
    """
    if key.team_id is not None:
        both, *found = yield [_with_team(key.pk, key.team_id), *along]
        if both:
            now, team = _KEY.made_of(both[0][: len(_KEY.fields)]), _TEAM.made_of(both[0][len(_KEY.fields) :])
            now.team = team
            return now, found
        along = ()
    keys, *found = yield [_row(_KEY, key.pk), *along]
    if not keys:
        raise VirtualKey.DoesNotExist
    now = _KEY.made_of(keys[0])
    if now.team_id is not None:
        [teams] = yield [_row(_TEAM, now.team_id)]
        now.team = _TEAM.made_of(teams[0]) if teams else None
    return now, found if now.team_id == key.team_id else None


def still_as_read(key: VirtualKey, also: tuple[str, Sequence[Any]]) -> Statement:
    """Lock the row of a key of no team, and fail (see `noticing_moves`) unless it is the very one that `key` was read from and that
    condition holds too, SQL with its values. So what follows from them may be sent along with it. PostgreSQL only.

    A transaction that changed the row meanwhile was waited for: PostgreSQL looks at the row that it left, which has another xmin.
    """
    condition, values = also
    row = f"SELECT FROM {_KEY.source} WHERE k.id = %s AND k.xmin = %s AND {condition}{_LOCK} k"
    return Statement(f"SELECT 1 / count(*) FROM ({row}) AS found", [key.pk, key.row_version, *values])  # noqa: S608 - our own words


@contextmanager
def noticing_moves() -> Iterator[None]:
    """Raise Moved when what failed is that `still_as_read` did not hold."""
    try:
        yield
    except DatabaseError as error:
        if sqlstate(error) == _DIVISION_BY_ZERO:
            raise Moved from error
        raise


def lock_key(key: VirtualKey) -> VirtualKey:
    """The same in this thread's transaction."""
    return statements.run(locking(key))[0]


def _with_team(key_id: int, team_id: int) -> Statement:
    sql = f"SELECT {_KEY.sql}, {_TEAM.sql} FROM {_KEY.source} JOIN {_TEAM.source} ON t.id = k.team_id WHERE k.id = %s AND k.team_id = %s"  # noqa: S608 - our own columns
    return Statement(sql, [key_id, team_id], [*_KEY.fields, *_TEAM.fields], lock=f"{_LOCK} k, t")


def _row(of: "Columns[VirtualKey] | Columns[Team]", pk: int) -> Statement:
    sql = f"SELECT {of.sql} FROM {of.source} WHERE {of.alias}.id = %s"  # noqa: S608 - our own columns
    return Statement(sql, [pk], of.fields, lock=f"{_LOCK} {of.alias}")


def lock_payers(*, key_id: int, team_id: int | None) -> None:
    """Lock whose budgets a ledger row counts in. A team that is gone has none."""
    VirtualKey.objects.select_for_update(no_key=True).only("pk").get(pk=key_id)
    if team_id is not None:
        Team.objects.select_for_update(no_key=True).filter(pk=team_id).first()
