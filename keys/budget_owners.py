"""What keys and teams have in common: fields that are changed with an audit row, and budgets of their own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, models, transaction

from conduit.api.errors import Conflict, InvalidRequest, NotFound
from keys import audit, budgets, ledger
from keys.models import Budget, Team, VirtualKey


def create_team(*, name: str, budgets: Sequence[Mapping[str, Any]] = (), who: str, **fields: Any) -> Team:
    """A new team. Its budgets bind all its keys together. `fields` are others of Team.

    Raises:
        InvalidRequest: there is a team of that name.
    """
    with transaction.atomic():
        with own_name("team"):
            team = Team.objects.create(name=name, **fields)
        audit.record(who=who, action="create", target=team, name=name, **fields)
        set_budgets(team, budgets, who=who)
    return team


def delete_team(team: Team, *, who: str) -> None:
    """Delete a team and its budgets.

    Raises:
        Conflict: it has keys, even deleted ones: their history names it.
    """
    with transaction.atomic():
        lock(team)
        if team.keys.exists():
            raise Conflict("This team has keys, and the history of deleted ones names it too: it can be renamed, not deleted.")
        for budget in team.budgets.order_by("pk"):
            delete_budget(budget, who=who)
        audit.record(who=who, action="delete", target=team, name=team.name)
        team.delete()


def contact_of(owner: VirtualKey | Team) -> str:
    """Where mail about it goes: its own contact, or for a key its team's; empty: nowhere."""
    team = owner.team if isinstance(owner, VirtualKey) else None
    return owner.contact_email or (team.contact_email if team else "")


def lock_joined(team: Team | None) -> None:
    """Keep the team that a key is about to join from being deleted meanwhile. Belongs inside the transaction of the key's change.

    Raises:
        InvalidRequest: it was.
    """
    if team and not Team.objects.select_for_update(no_key=True).filter(pk=team.pk).exists():
        raise InvalidRequest("`team` must be the id of a team: this one was deleted.", param="team")


def change(row: models.Model, *, who: str, **fields: Any) -> None:
    """Write those of `fields` that differ, and what they were before; nothing differs: no row, no audit.

    Raises:
        NotFound: the row was deleted meanwhile.
    """
    with transaction.atomic():
        before = type(row)._default_manager.select_for_update(no_key=True).filter(pk=row.pk).first()
        if before is None:
            raise _gone()
        changes = {name: [getattr(before, name), value] for name, value in fields.items() if getattr(before, name) != value}
        for name, value in fields.items():
            setattr(row, name, value)
        if changes:
            row.save(update_fields=list(changes))
            audit.record(who=who, action="change", target=row, **changes)


def change_team(team: Team, *, who: str, **fields: Any) -> None:
    """`change`; raises InvalidRequest when there is a team of that name."""
    with own_name("team"):
        change(team, who=who, **fields)


@contextmanager
def own_name(whose: str) -> Iterator[None]:
    """The database decides whether a name is free; a race is lost in the same words. `whose`: such as "team"."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise InvalidRequest(f"`name` is another {whose}'s: choose one that is free.", param="name") from error


def lock(owner: VirtualKey | Team) -> None:
    """Make others who change the owner or its budgets wait, and all who move its money (keys.locks).

    Two callers at once then do not each add the budget that both want, and no hold is taken that a new budget has not counted.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    if not type(owner)._default_manager.select_for_update(no_key=True).filter(pk=owner.pk).values_list("pk").first():
        raise _gone()


def _gone() -> NotFound:
    return NotFound("This was deleted meanwhile.")


def set_budgets(owner: VirtualKey | Team, wanted: Sequence[Mapping[str, Any]], *, who: str) -> None:
    """Make `wanted` the owner's budgets: fields of Budget, at most one of each name (budgets.name_of).

    Each counts what the ledger says of its period, whether it stays, is new, or comes back. One that is not in `wanted` is deleted.
    """
    with transaction.atomic():
        lock(owner)
        missing = {budgets.name_of(**fields): fields for fields in wanted}
        for budget in owner.budgets.order_by("pk"):
            if fields := missing.pop(budgets.name_of(period=budget.period, time_zone=budget.time_zone), None):
                change_budget(budget, who=who, **fields)
            else:
                delete_budget(budget, who=who)
        for fields in missing.values():
            add_budget(owner, fields, who=who)


def add_budget(owner: VirtualKey | Team, fields: Mapping[str, Any], *, who: str) -> Budget:
    """A budget that counts from the first what its owner spent. Belongs inside the transaction that locked the owner."""
    budget: Budget = owner.budgets.create(**fields)
    ledger.count(budget)
    audit.record(who=who, action="create", target=budget, of=audit.target_of(owner), **fields)
    return budget


def change_budget(budget: Budget, *, who: str, **fields: Any) -> None:
    """Write what differs, and tell of thresholds that its new limit is past. Belongs inside the transaction that locked its owner."""
    change(budget, who=who, **fields)
    budgets.alert(budget)


def delete_budget(budget: Budget, *, who: str) -> None:
    """Delete a budget and its counters; one that is gone already stays so. Belongs inside the transaction that locked its owner."""
    deleted, _ = Budget.objects.filter(pk=budget.pk).delete()
    if deleted:
        of = audit.target_of(budget.key or budget.team)  # type: ignore[arg-type]  # the database holds one of them
        audit.record(who=who, action="delete", target=budget, of=of, period=budget.period, amount=budget.amount)
