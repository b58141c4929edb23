"""Who may change whose account: nobody gives what he has not, and nobody changes somebody who may more than himself."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission, User
from django.db.models import QuerySet


def may_administer(actor: User, account: User) -> bool:
    """Whether `actor` may change, delete or set the password of `account`, which is as good as being it.

    That the actor may change accounts at all is the admin's own permission, and asked before.
    """
    return actor.is_superuser or not (account.is_superuser or permissions_of(account) - permissions_of(actor))


def may_administer_group(actor: User, group: Group) -> bool:
    """Likewise for a group: a change of it changes all of its members."""
    return actor.is_superuser or not (_ids(group.permissions.all()) - permissions_of(actor))


def grantable_permissions(actor: User) -> QuerySet[Permission]:
    """Those that `actor` may give and take: its own."""
    return Permission.objects.all() if actor.is_superuser else Permission.objects.filter(pk__in=permissions_of(actor))


def grantable_groups(actor: User) -> QuerySet[Group]:
    """Groups that hold nothing that `actor` has not."""
    if actor.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=permissions_of(actor))
    return Group.objects.exclude(permissions__in=beyond)


def permissions_of(account: User) -> set[int]:
    """Permissions given to it and to its groups, by id; also of an account that is inactive and might be made active again."""
    return _ids(account.user_permissions.all()) | _ids(Permission.objects.filter(group__user=account))


def _ids(permissions: Iterable[Permission]) -> set[int]:
    return {permission.pk for permission in permissions}
