"""The groups that Conduit ships: viewer, operator, administrator.

`ROLES` is the one table of who may do what. After each migration every role is given what stands there and was not given to it
before: rights of new models come by themselves where a pattern takes them in, and what a site gave or took stays as the site has it.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps as installed
from django.db import DEFAULT_DB_ALIAS, transaction

# Rights as `app.codename`; `*` stands for anything. No page shows a secret to people who may only view.
_VIEWER = (
    "keys.view_*", "notifications.view_*", "tasks.view_*", "videos.view_*", "console.view_*", "security.view_*", "auth.view_user",
    "auth.view_group",
)  # fmt: skip
_OPERATOR = (
    *_VIEWER, "tasks.cancel_task", "tasks.retry_task", "tasks.pause_work", "console.share_search", "keys.add_virtualkey",
    "keys.change_virtualkey", "videos.*_provideraccount", "videos.reconcile_clip",
    "notifications.*_endpoint", "notifications.send_webhooks",
)  # fmt: skip
_ADMINISTRATOR = ("keys.*", "notifications.*", "tasks.*", "videos.*", "console.*", "security.*", "auth.*_user", "auth.*_group")

ROLES: Mapping[str, tuple[str, ...]] = {"viewer": _VIEWER, "operator": _OPERATOR, "administrator": _ADMINISTRATOR}


def apply_roles(*, using: str = DEFAULT_DB_ALIAS, apps: Any = installed, **_: Any) -> None:
    """Make the groups that are missing, and give each the rights that it was never given. What `post_migrate` calls."""
    try:
        Role, Group, Permission = apps.get_model("security.Role"), apps.get_model("auth.Group"), apps.get_model("auth.Permission")
    except LookupError:  # migrated to before there were roles
        return
    named = Permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    rights = {f"{app}.{codename}": pk for app, codename, pk in named}
    with transaction.atomic(using=using):
        known = {role.name: role for role in Role.objects.using(using).select_related("group")}
        for name, patterns in ROLES.items():
            role = known.get(name) or Role.objects.using(using).create(name=name, group=_new_group(Group, name, using))
            new = [right for right in _matching(rights, patterns) if right not in role.given]
            if role.group and new:
                role.group.permissions.add(*(rights[right] for right in new))
                role.given = [*role.given, *new]
                role.save(using=using, update_fields=["given"])


def _new_group(groups: Any, name: str, using: str) -> Any:
    """A site's own group of that name is left alone: its members were not meant to get these rights."""
    taken = groups.objects.using(using).filter(name=name).exists()
    return groups.objects.using(using).create(name=f"Conduit {name}" if taken else name)


def _matching(rights: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return sorted(right for right in rights if any(fnmatchcase(right, pattern) for pattern in patterns))
