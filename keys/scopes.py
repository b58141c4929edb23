"""What a management key may do, and who may give it that."""

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser, PermissionsMixin, User

from conduit import clock
from conduit.api.errors import Forbidden
from keys.models import ManagementKey, Scope

# What an account of the console must be allowed to do before it may hand that out.
PERMISSIONS: dict[Scope, tuple[str, ...]] = {
    Scope.READ: ("keys.view_virtualkey",),
    Scope.OPERATE: (
        "tasks.cancel_task",
        "tasks.retry_task",
        "tasks.pause_work",
        "videos.change_provideraccount",
        "notifications.change_endpoint",
    ),
    Scope.KEYS: ("keys.change_virtualkey",),
    Scope.MONEY: ("keys.change_budget",),
}

MONEY_FIELDS = frozenset({"budgets", "price_factor"})


def require(key: ManagementKey, scope: Scope) -> None:
    """Raises Forbidden when the key may not do that."""
    if scope not in key.scopes:
        raise Forbidden(
            f"This management key may not {scope.label}: it lacks the scope `{scope}`. An administrator can give it that.",
            code="scope_not_allowed",
        )


def require_for_fields(key: ManagementKey, fields: Mapping[str, Any]) -> None:
    """The same for what a key or team shall be: budgets and price factors are money, everything else is the key's or team's own.

    Raises:
        Forbidden: the key may not change one of them.
    """
    if MONEY_FIELDS & set(fields):
        require(key, Scope.MONEY)
    if not fields or set(fields) - MONEY_FIELDS:
        require(key, Scope.KEYS)


def still_may(actor: str, scope: Scope, *, right: str) -> bool:
    """Whether who began something (`audit.actor_at_hand`) may go on: an account with the right, a management key with the scope."""
    kind, _, number = actor.partition(":")
    match kind:
        case "user":
            account = User.objects.filter(pk=number, is_active=True, is_staff=True).first()
            return account is not None and account.has_perm(right)
        case "management_key":
            key = ManagementKey.objects.filter(pk=number, enabled=True).exclude(expires_at__lte=clock.now()).first()
            return key is not None and scope in key.scopes
    return True


def may_give(account: PermissionsMixin | AnonymousUser, scopes: Collection[str]) -> bool:
    """Whether an account of the console may make, change or rotate a management key of these scopes: nobody gives what he has not."""
    return all(account.has_perms(PERMISSIONS[Scope(scope)]) for scope in scopes)
