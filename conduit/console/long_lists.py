"""Django's lists of tables that grow for ever: they look at the newest rows of what an index finds, and say so."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, make_aware

# Rows that one list looks at, whatever it is narrowed by.
LOOKED_AT = 1_000
# Ids are given out before the moment is read, or after: rows whose ids follow each other may differ by as much.
SLACK = timedelta(minutes=10)
_LOOKED_AT = "_looked_at"  # on the request: found once


class NewestRows(ChangeList):
    """Of the rows that the list's own index finds the newest LOOKED_AT; what else is asked for is looked for among those."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        shown_by = cast(LongList, self.model_admin)
        self.root_queryset = shown_by.get_queryset(request).filter(pk__in=shown_by.looked_at(request)[:LOOKED_AT])
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        return found


class LongList(admin.ModelAdmin):
    """`indexed`: by parameters of the list's address, the field in whose order an index holds the rows that they choose."""

    indexed: ClassVar[Mapping[str, str]] = {}
    moment: ClassVar[str] = ""  # when a row was written, which grows with the ids; fields of `indexed` are no later
    show_full_result_count = False  # it would count all of them

    def newest(self, request: HttpRequest) -> QuerySet[Any]:
        """What the list looks at, newest first, and more. Of days that are asked for it is the newest until their end."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        end = _moment(request.GET.get(f"{self.moment}__lt", "")) if self.moment else None
        for parameter, field in self.indexed.items():
            if value := request.GET.get(parameter):
                bounds = {f"{field}__lt": end} if end else {}
                return rows.filter(**{parameter: value}, **bounds).order_by(f"-{field}")
        if end:
            rows = rows.filter(pk__lt=_first_id_at(self.model, self.moment, end + SLACK))
        return rows.order_by("-pk")

    def looked_at(self, request: HttpRequest) -> list[Any]:
        """The ids of what the list looks at, and one more if there is. As values: of a subquery the database may read all rows to find
        which are in it."""
        known: list[Any] | None = getattr(request, _LOOKED_AT, None)
        if known is None:
            known = list(self.newest(request).values_list("pk", flat=True)[: LOOKED_AT + 1])
            setattr(request, _LOOKED_AT, known)
        return known

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestRows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context: dict[str, Any] = {}
        if self.has_view_or_change_permission(request) and len(self.looked_at(request)) > LOOKED_AT:
            context["subtitle"] = f"Among the newest {LOOKED_AT:,}: narrow them by what is beside, or search for a task's id."
        return super().changelist_view(request, context | (extra_context or {}))


def _moment(text: str) -> datetime | None:
    """As Django's filters write it: a day or a moment. What is none is refused where it is filtered by."""
    try:
        day = parse_date(text)
        found = parse_datetime(text) or (datetime(day.year, day.month, day.day) if day else None)
    except ValueError:
        return None
    return make_aware(found) if found and is_naive(found) else found


def _first_id_at(model: type[Model], field: str, moment: datetime) -> int:
    """The lowest id of those written from that moment on; one above all when there is none. Found by halving, in some twenty lookups."""
    rows = model._default_manager.order_by("pk").values_list("pk", field)
    last: int = model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    before, at = 0, last + 1
    while before + 1 < at:
        middle = (before + at) // 2
        found = rows.filter(pk__gte=middle).first()
        if found is None or found[1] >= moment:
            at = middle
        else:
            before = found[0]
    return at
