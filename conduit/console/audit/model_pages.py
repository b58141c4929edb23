"""What the site puts before every admin class that is registered: each change, by whatever form or action, leaves its rows."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.forms import BaseInlineFormSet, BaseModelFormSet, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from conduit.console.audit.guard import guarded, is_as_it_was
from conduit.console.audit.states import State, differences, locked_state, present_state, state_of, values_of, what_hangs_on
from keys import audit

_BEFORE = "state_before"


class Audited(admin.ModelAdmin):
    """Writes of each row of a form, an inline or a deletion what it was before and is after, unless the rule that changed it did.

    What an action writes it has to record itself; one that does not is refused, and undone (conduit.console.audit.guard).
    """

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().changeform_view
        return guarded(request, lambda: view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().changelist_view
        return guarded(request, lambda: view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().delete_view
        return guarded(request, lambda: view(request, *args, **kwargs))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A row's history is what the audit says of it; Django's own, which knows this console alone, is for the rest."""
        if not request.user.has_perm("keys.view_auditentry"):
            return super().history_view(request, object_id, extra_context)
        query = urlencode({"target": f"{audit.kind_of(self.model)}:{unquote(object_id)}"})
        return HttpResponseRedirect(f"{reverse('admin:audit')}?{query}")

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm, change: bool) -> None:
        vars(form)[_BEFORE] = locked_state(type(obj), obj.pk) if change else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        changed = [(formset, _rows_of(formset)) for formset in formsets if formset.has_changed()]
        super().save_related(request, form, formsets, change)
        _record(form.instance, vars(form)[_BEFORE])
        for formset, before in changed:
            _record_rows(before, _rows_of(formset))

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        delete = super().delete_model
        _delete([obj], lambda: delete(request, obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        delete = super().delete_queryset
        _delete(list(queryset), lambda: delete(request, queryset))


def audited(admin_class: type[admin.ModelAdmin]) -> type[admin.ModelAdmin]:
    """The same, so that what it changes is in the audit."""
    if issubclass(admin_class, Audited):
        return admin_class
    return type(admin_class.__name__, (Audited, admin_class), {"__module__": admin_class.__module__, "__doc__": admin_class.__doc__})


Rows = dict[Any, tuple[Model, State]]


def _rows_of(formset: BaseModelFormSet) -> Rows:
    """The rows below the form's own as they stand in the database, by id."""
    if not isinstance(formset, BaseInlineFormSet) or formset.instance.pk is None:
        return {}
    rows = formset.fk.model._base_manager.filter(**{formset.fk.name: formset.instance})
    return {row.pk: (row, state_of(row)) for row in rows}


def _record(row: Model, before: State | None) -> None:
    """What the rule that changed the row, if one did, has not told by itself."""
    told, after = audit.told_of(audit.target_of(row)), present_state(row)
    if after == before:
        is_as_it_was(row)
    elif before is None:
        if told is None:
            audit.write(action="create", target=row, changes=values_of(after))
    else:
        untold = {name: pair for name, pair in differences(before, after).items() if name not in (told or ())}
        if untold or told is None:
            audit.write(action="change", target=row, changes=untold)


def _record_rows(before: Rows, after: Rows) -> None:
    for pk, (row, _) in after.items():
        _record(row, before[pk][1] if pk in before else None)
    for pk in before.keys() - after.keys():
        row, state = before[pk]
        if audit.told_of(audit.target_of(row)) is None:
            audit.write(action="delete", target=row, changes=values_of(state))


def _delete(rows: list[Any], delete: Callable[[], None]) -> None:
    told = [(audit.target_of(row), row.pk, str(row), {**values_of(state_of(row)), **what_hangs_on(row)}) for row in rows]
    delete()
    # A page may have refused to delete some.
    left = set(type(rows[0])._base_manager.filter(pk__in=[pk for _, pk, _, _ in told]).values_list("pk", flat=True)) if rows else set()
    for target, pk, called, changes in told:
        if pk not in left and audit.told_of(target) is None:
            audit.write(action="delete", target=target, called=called, changes=changes)
