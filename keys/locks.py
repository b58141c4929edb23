"""Who waits for whom where money moves.

Every transaction that moves money of a key first locks the key's row and then its team's, and so does who changes their
budgets. One thing at a time happens to the money of a key or team: what a counter is made of, or a limit is compared with,
is read while nobody else writes it. Rows that only point to a key or team are kept waiting by neither.
"""

from keys.models import Team, VirtualKey


def lock_key(key: VirtualKey) -> VirtualKey:
    """The key as it is now, with its team, both locked: in one statement when its team is still the one that `key` says."""
    if key.team_id is not None:
        joined = VirtualKey.objects.filter(pk=key.pk, team_id=key.team_id, team__name__isnull=False)
        if found := joined.select_related("team").select_for_update(no_key=True, of=("self", "team")).first():
            return found
    found = VirtualKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    if found.team_id is not None:
        found.team = _lock_team(found.team_id)
    return found


def lock_payers(*, key_id: int, team_id: int | None) -> None:
    """Lock whose budgets a ledger row counts in. A team that is gone has none."""
    VirtualKey.objects.select_for_update(no_key=True).only("pk").get(pk=key_id)
    if team_id is not None:
        _lock_team(team_id)


def _lock_team(team_id: int) -> Team | None:
    return Team.objects.select_for_update(no_key=True).filter(pk=team_id).first()
