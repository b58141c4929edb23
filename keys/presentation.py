"""Keys, teams and budgets as the API shows them. A secret is in none of these."""

from collections.abc import Sequence
from typing import Any

from conduit import clock
from conduit.api.formats import money, rfc3339
from keys import budgets, client_tokens, price_factors
from keys.budgets import BudgetState
from keys.client_token_models import ClientToken
from keys.client_tokens import Used
from keys.limits import creates_per_minute, management_calls_per_minute, reads_per_minute
from keys.limits.table import LIMITS
from keys.models import KeySecret, ManagementKey, Team, VirtualKey


def state_of(key: VirtualKey) -> str:
    """What a call with the key meets, in one word."""
    if key.deleted_at:
        return "deleted"
    if not key.enabled:
        return "disabled"
    return "expired" if key.expires_at and key.expires_at <= clock.now() else "active"


def show_limits(key: VirtualKey) -> dict[str, Any]:
    """Every limit by its name; null or empty does not limit."""
    return {limit.parameter: limit.show(getattr(key, limit.column)) for limit in LIMITS}


def show_keys(keys: Sequence[VirtualKey]) -> list[dict[str, Any]]:
    """Keys for their managers: one query for the counters of all their budgets. Fetch secrets and budgets with them."""
    standing = _standing(keys)
    return [_show_key(key, [standing[budget.pk] for budget in key.budgets.all()]) for key in keys]


def show_teams(teams: Sequence[Team]) -> list[dict[str, Any]]:
    """Teams for their managers, as `show_keys` does keys."""
    standing = _standing(teams)
    return [_show_team(team, [standing[budget.pk] for budget in team.budgets.all()]) for team in teams]


def show_own(key: VirtualKey, in_flight: int) -> dict[str, Any]:
    """A key for its holder: its limits, and what binds it now, its team's budgets included."""
    shown = show_limits(key)
    return {
        "object": "key",
        "name": key.name,
        "team": key.team.name if key.team else None,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "limits": {limit.parameter: shown[limit.parameter] for limit in LIMITS if limit.is_told_to_holders}
        | {
            "creates_per_minute": creates_per_minute(key),
            "reads_per_minute": reads_per_minute(key),
            "price_factor": price_factors.written(price_factors.of(key)),
        },
        "in_flight": in_flight,
        "budgets": [show_budget(state) for state in budgets.of(key)],
        "currency": "USD",
    }


def show_client_token(token: ClientToken, used: Used | None = None) -> dict[str, Any]:
    """A client token for its holder; with what is left of its bounds, when it is known what is used."""
    create: dict[str, Any] | None = None
    if token.creates:
        create = {"tasks": token.tasks_max, "usd": money(token.usd_max), "models": token.model_names}
        if used:
            create["tasks_left"] = max(0, (token.tasks_max or 0) - used.tasks)
            create["usd_left"] = money(client_tokens.left(token, used)) if token.usd_max is not None else None
    return {
        "object": "client_token",
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at),
        "task_id": str(token.task_id) if token.task_id else None,
        "create": create,
    }


def show_client_tokens(tokens: Sequence[ClientToken]) -> list[dict[str, Any]]:
    """Tokens for the managers of their key, as client_tokens.living gives them."""
    return [
        {"id": token.pk, "prefix": token.prefix, "secret": token.secret.prefix, "tasks_made": getattr(token, "made_count", None)}
        | show_client_token(token)
        for token in tokens
    ]


def show_management_key(key: ManagementKey) -> dict[str, Any]:
    """A management key for its holder."""
    return {
        "object": "management_key",
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "old_secret_ends_at": rfc3339(key.old_secret_ends_at),
        "limits": {"calls_per_minute": management_calls_per_minute(key), "ip_ranges": key.ip_ranges},
    }


def show_budget(state: BudgetState) -> dict[str, Any]:
    """A budget in the period that runs now. `limit` is what counts: the amount, or what it is raised to."""
    budget = state.budget
    return {
        "scope": "key" if budget.key_id else "team",
        "period": budget.period,
        "time_zone": budget.time_zone,
        "amount": money(budget.amount),
        "raised_to": money(budget.raised_to),
        "raised_until": rfc3339(budget.raised_until),
        "limit": money(state.limit),
        "held": money(state.held),
        "spent": money(state.spent),
        "left": money(state.left),
        "starts_at": rfc3339(state.starts_at),
        "resets_at": rfc3339(state.resets_at),
    }


def _standing(owners: Sequence[VirtualKey] | Sequence[Team]) -> dict[int, BudgetState]:
    return {state.budget.pk: state for state in budgets.states(budget for owner in owners for budget in owner.budgets.all())}


def _show_key(key: VirtualKey, states: list[BudgetState]) -> dict[str, Any]:
    return {
        "id": key.pk,
        "object": "key",
        "name": key.name,
        "team": key.team_id,
        "enabled": key.enabled,
        "expires_at": rfc3339(key.expires_at),
        "deleted_at": rfc3339(key.deleted_at),
        "created_at": rfc3339(key.created_at),
        "last_used_at": rfc3339(key.last_used_at),
        "last_used_from": key.last_used_from,
        "contact_email": key.contact_email or None,
        "secrets": [_show_secret(secret) for secret in key.secrets.all()],
        "limits": show_limits(key),
        "budgets": [show_budget(state) for state in states],
    }


def _show_team(team: Team, states: list[BudgetState]) -> dict[str, Any]:
    return {
        "id": team.pk,
        "object": "team",
        "name": team.name,
        "created_at": rfc3339(team.created_at),
        "price_factor": price_factors.written(team.price_factor),
        "weight": team.weight,
        "contact_email": team.contact_email or None,
        "budgets": [show_budget(state) for state in states],
    }


def _show_secret(secret: KeySecret) -> dict[str, Any]:
    """Its start, to tell it from others, and the end of its grace time."""
    return {"prefix": secret.prefix, "created_at": rfc3339(secret.created_at), "expires_at": rfc3339(secret.expires_at)}
