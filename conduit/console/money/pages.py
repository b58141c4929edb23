"""The page of money, and the same as CSV."""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from conduit.api.formats import money as written
from conduit.console.money.chart import chart
from conduit.console.money.wanted import OWN_DAYS, SPANS, Asked, asked, costs_of, tasks_of
from conduit.console.pages import page, render
from keys.usage import cell
from videos.money import BY, Line, Wanted, lines, total

# Keys, teams or models of one page; all of them are in the CSV.
SHOWN = 100
# Lines of a file: more keys than that have no spreadsheet.
CSV_LINES_MAX = 100_000
COLUMNS = ("tasks", "held", "charged", "released", "refunded", "credited", "adjusted")


@page("money/", name="money", rights="keys.view_usagecost")
def money(request: HttpRequest) -> HttpResponseBase:
    wanted = asked(request)
    found = lines(wanted.wanted, wanted.by)
    days = found if wanted.by == "day" else lines(wanted.wanted, "day")
    listed = found[::-1] if wanted.by == "day" else found[:SHOWN]
    context = {
        "asked": wanted,
        "spans": [(words, wanted.query(span=name, **OWN_DAYS), name == wanted.span) for name, words in SPANS.items()],
        "bys": [(by, wanted.query(by=by), by == wanted.by) for by in BY],
        "rows": [_row(wanted, line) for line in listed],
        "left_out": len(found) - len(listed),
        "total": _linked(wanted.wanted, total(days)),
        "chart": chart(days),
        "csv": wanted.query(),
        "without": {name: wanted.query(**{name: None}) for name in ("key", "team", "model")},
    }
    return render(request, "console/money/money.html", context, title="Money")


@page("money/csv/", name="money-csv", rights="keys.view_usagecost")
def money_csv(request: HttpRequest) -> HttpResponseBase:
    wanted = asked(request)
    name = f"money-by-{wanted.by}-{wanted.wanted.first}-{wanted.wanted.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    found = lines(wanted.wanted, wanted.by)[:CSV_LINES_MAX]
    return StreamingHttpResponse(_as_csv(found, wanted.by), content_type="text/csv; charset=utf-8", headers=headers)


def _as_csv(found: Sequence[Line], by: str) -> Iterator[str]:
    named = [by] if by in ("day", "model") else [f"{by}_id", by]
    yield _line([*named, *COLUMNS, "net", "billed", "margin", "currency"])
    for line in found:
        name = [line.name] if by in ("day", "model") else [line.key or "", line.name]
        amounts = [getattr(line.money, column) for column in COLUMNS[1:]]
        sums = [written(amount) for amount in (*amounts, line.money.net, line.billed, line.margin)]
        yield _line([*name, line.money.tasks, *sums, "USD"])


def _line(values: Sequence[Any]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerow([cell(value) for value in values])
    return text.getvalue()


def _row(wanted: Asked, line: Line) -> dict[str, Any]:
    """A line with where it leads to: of no team there is nothing to look for."""
    if wanted.by == "team" and not line.key:
        return {"line": line, "name": "no team"}
    if wanted.by == "model" and not line.key:
        return {"line": line, "name": "no model"}
    narrowed = {wanted.by: str(line.key)} if wanted.by != "day" else {"span": None, "from": line.name, "to": line.name, "by": "key"}
    more = wanted.query(**{"by": "day", **narrowed})
    return {**_linked(wanted.narrowed(line.key), line), "name": line.name, "more": more}


def _linked(wanted: Wanted, line: Line) -> dict[str, Any]:
    entries = {name: costs_of(wanted, entry) for name, entry in (("charged", "capture"), ("released", "release"), ("refunded", "refund"))}
    return {"line": line, "tasks": tasks_of(wanted), **entries}
