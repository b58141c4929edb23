"""Accounts of the console, in place of Django's own pages: within one's own rights."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from conduit.console import accounts
from conduit.console.audit.guard import guarded
from conduit.console.pages import account
from conduit.console.security import second_factor
from keys import audit

for model in (User, Group):
    admin.site.unregister(model)


class WithinRights(admin.ModelAdmin):
    """Offers and changes what the person may give and change (conduit.console.accounts)."""

    may_administer: Callable[[User, Any], bool]

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        grantable = accounts.grantable_groups if db_field.name == "groups" else accounts.grantable_permissions
        return super().formfield_for_manytomany(db_field, request, queryset=grantable(account(request)), **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self.may_administer(account(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or self.may_administer(account(request), obj))


@admin.register(User)
class AccountAdmin(WithinRights, UserAdmin):
    may_administer = staticmethod(accounts.may_administer)
    list_display = ["username", "email", "first_name", "last_name", "is_staff", "is_superuser", "last_login", "has_second_factor"]
    actions = ["take_second_factor_away"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return second_factor.with_devices(super().get_queryset(request))

    @admin.display(boolean=True, description="second factor")
    def has_second_factor(self, user: User) -> bool:
        return second_factor.device_id_of(user) is not None

    @admin.action(permissions=["change"], description="Take the second factor away: from people who have lost it")
    def take_second_factor_away(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            if user.pk == request.user.pk:
                messages.error(request, "Your own is switched off or renewed on its own page, with a code.")
            elif not self.has_change_permission(request, user):
                messages.error(request, f"Not yours to take: {user} may do more than you.")
            elif second_factor.remove(user):
                messages.success(request, f"Taken away: the second factor of {user}.")
            else:
                messages.info(request, f"None to take: {user} has no second factor.")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return readonly if account(request).is_superuser else [*readonly, "is_superuser"]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Without what stands for the password (its way of hashing, its salt) for people who may only look."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [(name, {**rest, "fields": [field for field in rest["fields"] if field != "password"]}) for name, rest in fieldsets]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Sets somebody else's. One's own is changed where the old one is asked for: a screen left open must not do."""
        if id == str(account(request).pk):
            return redirect("admin:password_change")
        view = super().user_change_password
        return guarded(request, lambda: view(request, id, form_url))

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The page that sets a password saves no related rows: this is what it calls in their place."""
        if request.path == reverse("admin:auth_user_password_change", args=[obj.pk]):
            audit.record(action="set password", target=obj)
        return super().log_change(request, obj, message)


@admin.register(Group)
class RoleAdmin(WithinRights, GroupAdmin):
    may_administer = staticmethod(accounts.may_administer_group)
