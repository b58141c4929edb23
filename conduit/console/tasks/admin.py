from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst

from conduit.console.forms import RuledForm
from conduit.console.keys.admin import KeyFilter
from conduit.console.model_pages import FoundByTask, ReadOnly, TellsRefusals, who
from keys import known_models
from tasks import paused, pauses
from tasks.models import PAUSED, Pause, PauseKind, Task, TaskEvent
from tasks.search_language import quoted
from tasks.workload import workload

# What Django's lists of tasks and videos were narrowed by, as the search of the console's list of tasks says it.
_FILTERS = {
    "status__exact": "status", "task__status__exact": "status", "stage__exact": "stage", "trouble__exact": "refused", "model": "model",
    "model__exact": "model", "key__id__exact": "key", "key": "key", "resolution": "size", "resolution__exact": "size",
}  # fmt: skip


class LeadsToTask(ReadOnly):
    """Rows of a task, which are shown on its one page."""

    def task_of(self, row: Any) -> Any:
        """The task's id."""
        return row.pk

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method in ("GET", "HEAD") and self.has_view_permission(request):
            row = self.get_object(request, unquote(object_id))
            if row:
                return HttpResponseRedirect(reverse("admin:task", args=[self.task_of(row)]))
        return super().change_view(request, object_id, *args, **kwargs)


class ListedElsewhere(LeadsToTask):
    """Its rows are in the console's list of tasks: an address of Django's leads there, with what it was narrowed by."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = [f"{_FILTERS[name]}:{quoted(str(value))}" for name, value in request.GET.dict().items() if name in _FILTERS and value]
        text = " ".join([*asked, *([quoted(str(request.GET["q"]))] if request.GET.get("q") else [])])
        return HttpResponseRedirect(reverse("admin:tasks") + (f"?{urlencode({'q': text})}" if text else ""))


@admin.register(Task)
class TaskAdmin(ListedElsewhere):
    """Both its list and its page are the console's own."""


@admin.register(TaskEvent)
class TaskEventAdmin(FoundByTask, ReadOnly):
    list_display = ["id", "created_at", "key", "position", "task_id", "status"]
    list_filter = ["status", KeyFilter]
    search_fields = ["=task__id"]
    list_select_related = ["key"]
    indexed = {"key__id__exact": "position"}
    readonly_fields = ["created_at"]


class PauseForm(RuledForm):
    """What the management API takes, with the models to choose from."""

    class Meta:
        model = Pause
        fields = ["kind", "model", "until", "reason", "message"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "model" in self.fields:
            names = [names[0] for names in known_models.all_models()]
            offered = [("", "all models"), *((name, name) for name in names)]
            self.fields["model"] = forms.ChoiceField(choices=offered, required=False, help_text=self.fields["model"].help_text)

    def problems(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Of a pause that there is, what it stops is not in the form: it stays."""
        return pauses.problems({"kind": self.instance.kind, **fields})


@admin.register(Pause)
class PauseAdmin(TellsRefusals):
    """Add stops something; what Django calls deleting lets it go on, and says so (templates/admin/tasks/pause)."""

    form = PauseForm
    list_display = ["kind_in_words", "model", "waiting", "until", "reason", "message", "created_by", "created_at"]
    actions = ["resume"]
    readonly_fields = ["created_by", "created_at"]

    def has_view_permission(self, request: HttpRequest, obj: Pause | None = None) -> bool:
        return request.user.has_perm("tasks.view_pause") or self.may_pause(request)

    def may_pause(self, request: HttpRequest, obj: Pause | None = None) -> bool:
        """One right for stopping, changing and resuming."""
        return request.user.has_perm("tasks.pause_work")

    has_change_permission = has_delete_permission = may_pause

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_pause(request)

    @admin.display(description="what is paused", ordering="kind")
    def kind_in_words(self, pause: Pause) -> str:
        return capfirst(PauseKind(pause.kind).label)

    @admin.display(description="tasks that wait")
    def waiting(self, pause: Pause) -> str:
        if pause.kind == PauseKind.NEW_WORK:
            return "-"
        return format_html('<a href="{}?q=stage:{}">{}</a>', reverse("admin:tasks"), PAUSED, paused.held_by(pause).count())

    def get_actions(self, request: HttpRequest) -> Any:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(permissions=["delete"], description="Resume: end the selected pauses")
    def resume(self, request: HttpRequest, chosen: QuerySet[Pause]) -> None:
        for pause in chosen:
            pauses.end(pause, who=who(request))
            messages.success(request, f"{pause}: resumed.")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Says what each kind will do, with how many tasks there are; the one that was asked for (`?kind=`) first."""
        stands, asked_for = workload(), request.GET.get("kind")
        kinds = sorted(PauseKind.values, key=lambda kind: kind != asked_for)
        return super().add_view(request, form_url, {"stands": stands, "kinds": kinds} | (extra_context or {}))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Says how many tasks wait for it."""
        pause = self.get_object(request, object_id)
        waiting = paused.held_by(pause).count() if pause else 0
        context = {"title": "Resume?", "waiting": waiting} | (extra_context or {})
        shown: HttpResponse = super().delete_view(request, object_id, context)
        return shown

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        messages.success(request, f"{obj_display}: resumed.")
        return HttpResponseRedirect(reverse("admin:tasks_pause_changelist"))

    def get_readonly_fields(self, request: HttpRequest, obj: Pause | None = None) -> Any:
        return [*(["kind", "model"] if obj else []), *self.readonly_fields]

    def get_fields(self, request: HttpRequest, obj: Pause | None = None) -> Any:
        return [*PauseForm.Meta.fields, *(self.readonly_fields if obj else [])]

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: bool) -> None:
        if change:
            pauses.change(obj, who=who(request), **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            fields = {name: form.cleaned_data[name] for name in PauseForm.Meta.fields}
            vars(obj).update(vars(pauses.begin(who=who(request), **fields)))

    def delete_model(self, request: HttpRequest, obj: Pause) -> None:
        pauses.end(obj, who=who(request))
