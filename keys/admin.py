"""Keys and money in the console. What is written here goes through the same functions as the API's changes, audit included."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest

from keys import corrections, owners, services
from keys.forms import BudgetForm, BudgetFormSet, CorrectionForm, KeyForm
from keys.models import AuditEntry, Budget, BudgetAlert, BudgetWindow, KeySecret, ManagementKey, Team, UsageCost, VirtualKey


def who(request: HttpRequest) -> str:
    """How the audit names the administrator."""
    return request.user.get_username()


class ReadOnly(admin.ModelAdmin):
    """Rows that nobody writes by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BudgetInline(admin.TabularInline):
    model = Budget
    form = BudgetForm
    formset = BudgetFormSet
    extra = 0


class SecretInline(admin.TabularInline):
    model = KeySecret
    extra = 0
    can_delete = False
    fields = ["prefix", "created_at", "expires_at"]

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False


class WithBudgets(admin.ModelAdmin):
    """Writes the budgets beside the row that they belong to."""

    def save_formset(self, request: HttpRequest, form: ModelForm, formset: BaseModelFormSet, change: bool) -> None:
        owners.lock(form.instance)
        formset.save(commit=False)
        for budget in formset.deleted_objects:
            owners.delete_budget(budget, who=who(request))
        for budget, changed in formset.changed_objects:
            owners.change(budget, who=who(request), **{name: getattr(budget, name) for name in changed})
        for budget in formset.new_objects:
            fields = {name: getattr(budget, name) for name in BudgetForm.Meta.fields}
            budget.pk = owners.add_budget(form.instance, fields, who=who(request)).pk


@admin.register(VirtualKey)
class VirtualKeyAdmin(WithBudgets):
    form = KeyForm
    list_display = ["name", "team", "enabled", "expires_at", "last_used_at", "last_used_from", "created_at", "deleted_at"]
    list_filter = ["enabled", ("deleted_at", admin.EmptyFieldListFilter), "team"]
    list_select_related = ["team"]
    search_fields = ["name", "secrets__prefix"]
    inlines = [BudgetInline, SecretInline]
    actions = ["rotate", "rotate_at_once", "delete_for_good"]
    readonly_fields = ["created_at", "last_used_at", "last_used_from", "deleted_at"]
    fieldsets = [
        (None, {"fields": ["name", "team", "enabled", "expires_at"]}),
        ("Limits of calls", {"fields": ["creates_per_minute", "creates_per_day", "reads_per_minute", "ip_ranges"]}),
        (
            "Limits of tasks",
            {
                "fields": [
                    "tasks_in_flight",
                    "tasks_per_hour",
                    "longest_seconds",
                    "largest_resolution",
                    "highest_price",
                    "model_names",
                ]
            },
        ),
        ("Life", {"fields": ["created_at", "last_used_at", "last_used_from", "deleted_at"]}),
    ]

    def save_model(self, request: HttpRequest, obj: VirtualKey, form: ModelForm, change: bool) -> None:
        if change:
            services.change_key(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
            return
        made, secret = services.create_key(who=who(request), **form.cleaned_data)
        obj.__dict__.update(made.__dict__)
        _show_once(request, made, secret)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Its tasks and costs stay: the action marks it as deleted.
        return False

    def has_change_permission(self, request: HttpRequest, obj: VirtualKey | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.deleted_at)

    @admin.action(permissions=["change"], description="Rotate: a new secret, the old one works for 24 more hours")
    def rotate(self, request: HttpRequest, keys: QuerySet[VirtualKey]) -> None:
        self._rotate(request, keys, services.GRACE)

    @admin.action(permissions=["change"], description="Rotate: a new secret, the old one ends now")
    def rotate_at_once(self, request: HttpRequest, keys: QuerySet[VirtualKey]) -> None:
        self._rotate(request, keys, timedelta(0))

    def _rotate(self, request: HttpRequest, keys: QuerySet[VirtualKey], grace: timedelta) -> None:
        # One at a time: messages that do not fit into a cookie would be kept in the session, and a secret is never stored.
        key = keys.first()
        if key is None or keys.count() > 1 or key.deleted_at:
            messages.error(request, "Choose one key that is not deleted: each new secret is shown once, beside its key.")
            return
        _show_once(request, key, services.rotate_key(key, who=who(request), grace=grace))

    @admin.action(permissions=["change"], description="Delete: refused for good, its history stays")
    def delete_for_good(self, request: HttpRequest, keys: QuerySet[VirtualKey]) -> None:
        for key in keys:
            services.delete_key(key, who=who(request))


@admin.register(Team)
class TeamAdmin(WithBudgets):
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [BudgetInline]

    def save_model(self, request: HttpRequest, obj: Team, form: ModelForm, change: bool) -> None:
        if change:
            owners.change(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            obj.__dict__.update(owners.create_team(who=who(request), **form.cleaned_data).__dict__)

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        owners.delete_team(obj, who=who(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        for team in queryset:
            owners.delete_team(team, who=who(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A budget's counters go with it, although nobody may delete them by hand."""
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected


@admin.register(ManagementKey)
class ManagementKeyAdmin(admin.ModelAdmin):
    list_display = ["name", "prefix", "enabled", "created_at"]
    fields = ["name", "enabled", "prefix", "created_at"]
    readonly_fields = ["prefix", "created_at"]

    def save_model(self, request: HttpRequest, obj: ManagementKey, form: ModelForm, change: bool) -> None:
        if change:
            owners.change(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
            return
        made, secret = services.create_management_key(who=who(request), **form.cleaned_data)
        obj.__dict__.update(made.__dict__)
        _show_once(request, made, secret)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The audit names it: disable it instead.
        return False


def _show_once(request: HttpRequest, key: Model, secret: str) -> None:
    messages.warning(request, f"The secret of {key}, shown this once: {secret}")


@admin.register(UsageCost)
class UsageCostAdmin(ReadOnly):
    list_display = ["created_at", "key", "entry", "amount", "currency", "model", "task_id", "who", "why"]
    list_filter = ["entry", "model", "key"]
    search_fields = ["task_id"]
    list_select_related = ["key"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_form(self, request: HttpRequest, obj: UsageCost | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs) if obj else CorrectionForm

    def get_fields(self, request: HttpRequest, obj: UsageCost | None = None) -> Any:
        return super().get_fields(request, obj) if obj else CorrectionForm.Meta.fields

    def save_model(self, request: HttpRequest, obj: UsageCost, form: ModelForm, change: bool) -> None:
        """Nothing is ever changed here: a correction is a row of its own."""
        obj.__dict__.update(corrections.correct(who=who(request), **form.cleaned_data).__dict__)


@admin.register(BudgetWindow)
class BudgetWindowAdmin(ReadOnly):
    list_display = ["starts_at", "owner", "budget", "held", "spent"]
    list_filter = ["budget__period", "budget__team"]
    list_select_related = ["budget__key", "budget__team"]

    @admin.display(description="key or team")
    def owner(self, window: BudgetWindow) -> str:
        return str(window.budget.key or window.budget.team)


@admin.register(BudgetAlert)
class BudgetAlertAdmin(ReadOnly):
    list_display = ["created_at", "percent", "owner", "budget", "period_began"]
    list_filter = ["percent"]
    list_select_related = ["window__budget__key", "window__budget__team"]

    @admin.display(description="key or team")
    def owner(self, alert: BudgetAlert) -> str:
        return str(alert.window.budget.key or alert.window.budget.team)

    @admin.display
    def budget(self, alert: BudgetAlert) -> str:
        return str(alert.window.budget)

    @admin.display
    def period_began(self, alert: BudgetAlert) -> Any:
        return alert.window.starts_at


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["created_at", "who", "action", "target", "changes"]
    list_filter = ["action"]
    search_fields = ["who", "target"]
    date_hierarchy = "created_at"
