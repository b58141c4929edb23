"""Whose tasks an endpoint is told of: kept in this process at a version (conduit.versioned), which migration 0002's triggers write.

So a create that knows the version need not look for endpoints for its event, and misses none that was made before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from conduit.versioned import Versioned, version_in
from tasks.notifications.models import AudienceVersion, Endpoint

# What `keep` is given the rows of.
OWNERS = f"SELECT key_id, team_id FROM {Endpoint._meta.db_table} WHERE wants_tasks AND disabled_at IS NULL"  # noqa: S608 - our own table
# The version of now, as a column of a statement that is made anyway.
VERSION = version_in(AudienceVersion._meta.db_table)


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


_audience: Versioned[Audience] = Versioned()
# This process's, if it is of that version; touches no database.
kept = _audience.at


def keep(version: UUID, owners: Sequence[tuple[int | None, int | None]]) -> Audience:
    """The audience of that version, which was read before `owners`."""
    found = Audience(
        version,
        is_everybodys=(None, None) in owners,
        keys=frozenset(key_id for key_id, _ in owners if key_id is not None),
        teams=frozenset(team_id for _, team_id in owners if team_id is not None),
    )
    return _audience.keep(version, found)
