"""Whose tasks an endpoint is told of: kept in this process, and read anew when its version is another (as videos.kept_catalogue).

Every change of that makes another version, whoever makes it: PostgreSQL's triggers write it, within the transaction of the change
(migration 0002). So who writes an event and knows the version need not look for endpoints, and misses none that was made before. SQLite
has no version: there they are looked for each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tasks.notifications.models import AudienceVersion, Endpoint

# What `keep` is given the rows of.
OWNERS = f"SELECT key_id, team_id FROM {Endpoint._meta.db_table} WHERE wants_tasks AND disabled_at IS NULL"  # noqa: S608 - our own table
# The version of now, as a column of a statement that is made anyway.
VERSION = f"(SELECT version FROM {AudienceVersion._meta.db_table} WHERE id = 1)"  # noqa: S608 - our own table


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose tasks an endpoint is told of, at one version."""

    version: UUID
    is_everybodys: bool
    keys: frozenset[int]
    teams: frozenset[int]

    def hears(self, *, key_id: int, team_id: int | None) -> bool:
        """Whether an endpoint is told of tasks of that key, which is in that team."""
        return self.is_everybodys or key_id in self.keys or team_id in self.teams

    @property
    def still(self) -> tuple[str, list[Any]]:
        """SQL, with its values, that says whether this is the audience of now."""
        return f"{VERSION} = %s", [self.version]


_kept: Audience | None = None


def kept(version: UUID | None) -> Audience | None:
    """This process's, if it is of that version; touches no database."""
    return _kept if _kept and _kept.version == version else None


def keep(version: UUID, owners: Sequence[tuple[int | None, int | None]]) -> Audience:
    """The audience of that version, which was read before `owners`: what is read after it is at least as new, and if newer, is read
    again next time."""
    global _kept
    _kept = found = Audience(
        version,
        is_everybodys=(None, None) in owners,
        keys=frozenset(key_id for key_id, _ in owners if key_id is not None),
        teams=frozenset(team_id for _, team_id in owners if team_id is not None),
    )
    return found
