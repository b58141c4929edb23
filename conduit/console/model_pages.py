"""What Django's own pages of rows share here: who did it, rows that nobody writes, long lists of tasks' rows, refusals in words."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from conduit.api.errors import ApiError
from conduit.console.long_lists import LongList


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


class FoundByTask(LongList):
    """A long list of rows of tasks: a search for a task's whole id finds its rows by their index, however many there are."""

    def of_task(self, rows: QuerySet[Any], task_id: UUID) -> QuerySet[Any]:
        return rows.filter(task_id=task_id)

    def newest(self, request: HttpRequest) -> QuerySet[Any]:
        try:
            return self.of_task(self.model._default_manager.order_by("-pk"), UUID(request.GET.get("q", "").strip()))
        except ValueError:
            return super().newest(request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        try:
            return self.of_task(queryset, UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)


class TellsRefusals(admin.ModelAdmin):
    """What a rule refuses because somebody else was quicker, such as deleting the row, is told on the page anew."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _or_told(request, lambda: super(TellsRefusals, self).changeform_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _or_told(request, lambda: super(TellsRefusals, self).changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _or_told(request, lambda: super(TellsRefusals, self).delete_view(request, *args, **kwargs))


def _or_told(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return answer()
    except ApiError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(request.get_full_path())
