"""Keys and money in the console. What is written here goes through the same functions as the API's changes, audit included."""

from copy import deepcopy
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import BaseModelFormSet, ModelForm, MultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from conduit.api.pagination import parse_row_id
from conduit.console.keys.forms import BudgetForm, BudgetFormSet, CorrectionForm, KeyForm, ManagementKeyForm, TeamForm
from conduit.console.keys.secret_pages import ShowsSecrets
from conduit.console.long_lists import LongList
from conduit.console.model_pages import FoundByTask, ReadOnly, TellsRefusals, who
from keys import budget_owners, corrections, known_models, ledger, overview, scopes, services, usage, work
from keys.limits.table import Group, columns_of
from keys.models import Budget, BudgetAlert, BudgetWindow, KeySecret, ManagementKey, Scope, Team, UsageCost, VirtualKey
from keys.presentation import state_of


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


class WithBudgets(TellsRefusals):
    """Writes the budgets beside the row that they belong to. Its price factor is for people who may change these."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        money = [] if request.user.has_perm("keys.change_budget") else ["price_factor"]
        return [*super().get_readonly_fields(request, obj), *money]

    def save_formset(self, request: HttpRequest, form: ModelForm, formset: BaseModelFormSet, change: bool) -> None:
        budget_owners.lock(form.instance)
        formset.save(commit=False)
        for budget in formset.deleted_objects:
            budget_owners.delete_budget(budget, who=who(request))
        for budget, changed in formset.changed_objects:
            budget_owners.change_budget(budget, who=who(request), **{name: getattr(budget, name) for name in changed})
        for budget in formset.new_objects:
            fields = {name: getattr(budget, name) for name in BudgetForm.Meta.fields}
            budget.pk = budget_owners.add_budget(form.instance, fields, who=who(request)).pk


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in overview.STATES]

    def queryset(self, request: HttpRequest, keys: QuerySet[VirtualKey]) -> QuerySet[VirtualKey]:
        state = self.value()
        return overview.in_state(keys, state) if state in overview.STATES else keys


def of_limits() -> list[tuple[str, Any]]:
    """The parts of a key's form that hold its limits."""
    return [(group.value, {"fields": columns_of(group)}) for group in Group]


@admin.register(VirtualKey)
class VirtualKeyAdmin(WithBudgets, ShowsSecrets):
    form = KeyForm
    list_display = ["name", "team", "usable", "state", "expires_at", "last_used_at", "last_used_from", "created_at"]
    list_filter = [StateFilter, "team"]
    list_select_related = ["team"]
    search_fields = ["name", "secrets__prefix"]
    inlines = [BudgetInline, SecretInline]
    actions = ["rotate", "delete_for_good"]
    readonly_fields = ["state", "created_at", "last_used_at", "last_used_from", "deleted_at"]
    fieldsets = [
        (None, {"fields": ["name", "team", "state", "enabled", "expires_at", "contact_email"]}),
        *of_limits(),
        ("Life", {"fields": ["created_at", "last_used_at", "last_used_from", "deleted_at"]}),
    ]

    @admin.display(boolean=True)
    def usable(self, key: VirtualKey) -> bool:
        return state_of(key) == "active"

    @admin.display
    def state(self, key: VirtualKey) -> str:
        return state_of(key)

    def save_model(self, request: HttpRequest, obj: VirtualKey, form: ModelForm, change: bool) -> None:
        if change:
            services.change_key(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            self.made(obj, *services.create_key(who=who(request), **form.cleaned_data))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Its tasks and costs stay: the action marks it as deleted.
        return False

    def has_change_permission(self, request: HttpRequest, obj: VirtualKey | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.deleted_at)

    first_call = "/v1/key"

    def figures(self, key: VirtualKey) -> dict[str, Any]:
        return {"row": overview.row_of(key)}

    def new_secret(self, request: HttpRequest, key: Any, **how: Any) -> str:
        return services.rotate_key(key, who=who(request), **how)

    def newest_prefix(self, key: VirtualKey) -> str:
        newest = key.secrets.first()
        return newest.prefix if newest else ""

    def rotation_facts(self, key: VirtualKey) -> dict[str, Any]:
        working = [(secret.prefix, secret.expires_at) for secret in key.secrets.all() if not services.ended(secret)]
        return {
            "working": working,
            "in_flight": work.current().in_flight(key),
            "last_hour": usage.asked_for_within(key, timedelta(hours=1)),
        }

    def has_delete_for_good_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("keys.delete_virtualkey")

    @admin.action(permissions=["delete_for_good"], description="Delete: refused for good, its history stays")
    def delete_for_good(self, request: HttpRequest, keys: QuerySet[VirtualKey]) -> HttpResponse | None:
        living = list(keys.filter(deleted_at=None).select_related("team"))
        if living and "confirmed" not in request.POST:
            context = {**self.admin_site.each_context(request), "title": "Delete for good?", "opts": self.opts, "keys": living}
            return TemplateResponse(request, "admin/keys/delete_keys.html", context)
        for key in living:
            services.delete_key(key, who=who(request))
        messages.success(request, f"Deleted for good: {', '.join(map(str, living))}." if living else "Already deleted.")
        return None


@admin.register(Team)
class TeamAdmin(WithBudgets):
    form = TeamForm
    change_form_template = "admin/keys/team.html"
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [BudgetInline]

    def save_model(self, request: HttpRequest, obj: Team, form: ModelForm, change: bool) -> None:
        if change:
            budget_owners.change(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            obj.__dict__.update(budget_owners.create_team(who=who(request), **form.cleaned_data).__dict__)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        team = self.get_object(request, object_id) if request.method == "GET" else None
        mine = {"row": overview.rows([team])[0], "of_team": True} if team else {}
        return super().change_view(request, object_id, form_url, mine | (extra_context or {}))

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        budget_owners.delete_team(obj, who=who(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        for team in queryset:
            budget_owners.delete_team(team, who=who(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A budget's counters go with it, although nobody may delete them by hand."""
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected


@admin.register(ManagementKey)
class ManagementKeyAdmin(TellsRefusals, ShowsSecrets):
    form = ManagementKeyForm
    list_display = ["name", "prefix", "enabled", "scopes", "expires_at", "last_used_at", "last_used_from", "created_at"]
    actions = ["rotate"]
    readonly_fields = ["prefix", "old_secret_ends_at", "last_used_at", "last_used_from", "created_at"]
    fieldsets = [
        (None, {"fields": ["name", "enabled", "expires_at", "scopes", "ip_ranges", "calls_per_minute"]}),
        ("Life", {"fields": ["prefix", "old_secret_ends_at", "last_used_at", "last_used_from", "created_at"]}),
    ]

    def get_form(self, request: HttpRequest, obj: ManagementKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        """With the scopes that the person may give."""
        form = super().get_form(request, obj, change, **kwargs)
        if offered := form.base_fields.get("scopes"):
            form.base_fields["scopes"] = mine = deepcopy(offered)
            cast(MultipleChoiceField, mine).choices = [choice for choice in Scope.choices if scopes.may_give(request.user, [choice[0]])]
        return form

    def has_change_permission(self, request: HttpRequest, obj: ManagementKey | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or scopes.may_give(request.user, obj.scopes))

    def save_model(self, request: HttpRequest, obj: ManagementKey, form: ModelForm, change: bool) -> None:
        if change:
            budget_owners.change(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            self.made(obj, *services.create_management_key(who=who(request), **form.cleaned_data))

    first_call = "/v1/admin/key"

    def new_secret(self, request: HttpRequest, key: Any, **how: Any) -> str:
        return services.rotate_management_key(key, who=who(request), **how)

    def newest_prefix(self, key: ManagementKey) -> str:
        return key.prefix

    def rotation_facts(self, key: ManagementKey) -> dict[str, Any]:
        return {"working": [(key.prefix, None)], "in_flight": None}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The audit names it: disable it instead.
        return False


class ModelFilter(admin.SimpleListFilter):
    """By the names that there are. Django would read the whole ledger for those that are in it."""

    title = parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for names in known_models.all_models() for name in names]

    def queryset(self, request: HttpRequest, costs: QuerySet[UsageCost]) -> QuerySet[UsageCost]:
        return costs.filter(model=self.value()) if self.value() else costs


class KeyFilter(admin.SimpleListFilter):
    """By one key, which the address names: a list of all of them would be longer than the page."""

    title = "key"
    parameter_name = "key__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        text = request.GET.get(self.parameter_name, "")
        number = parse_row_id(text)
        known = None if number is None else VirtualKey.objects.filter(pk=number).first()
        return [(text, known.name)] if known else []

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(key_id=self.value()) if self.value() else rows


@admin.register(UsageCost)
class UsageCostAdmin(FoundByTask, TellsRefusals, ReadOnly):
    list_display = ["created_at", "key", "entry", "amount", "currency", "model", "task_id", "who", "why"]
    list_filter = ["entry", "created_at", ModelFilter, KeyFilter]
    search_fields = ["=task_id"]
    list_select_related = ["key"]
    indexed, moment = {"key__id__exact": "created_at", "team_id": "counted_at"}, "created_at"
    readonly_fields = ["created_at"]

    def of_task(self, rows: QuerySet[UsageCost], task_id: UUID) -> QuerySet[UsageCost]:
        return ledger.of_task(rows, task_id)

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
class BudgetWindowAdmin(LongList, ReadOnly):
    list_display = ["starts_at", "owner", "budget", "held", "spent"]
    list_filter = ["budget__period", "budget__team"]
    list_select_related = ["budget__key", "budget__team"]

    @admin.display(description="key or team")
    def owner(self, window: BudgetWindow) -> str:
        return str(window.budget.key or window.budget.team)


@admin.register(BudgetAlert)
class BudgetAlertAdmin(LongList, ReadOnly):
    list_display = ["created_at", "percent", "limit", "owner", "budget", "period_began"]
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
