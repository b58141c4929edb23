"""MiniMax's bill beside what it should bill."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from conduit.console.model_pages import who
from conduit.console.money.wanted import OWN_DAYS, SPANS, asked
from conduit.console.pages import may, page, render
from conduit.console.tasks.addresses import search_for, tasks_address
from conduit.console.written import usd
from tasks.search_language import VALUES_MAX, quoted
from videos.bill_files import BYTES_MAX, BillError
from videos.provider_bills import Comparison, Stored, bills_about, compare, upload

# Days and models of one page, those that differ first when there are more.
SHOWN = 400
UPLOAD = "videos.add_providerbill"


@page("money/bill/", name="money-bill", rights="keys.view_usagecost")
def bill(request: HttpRequest) -> HttpResponseBase:
    """GET compares, POST uploads a bill and leads back to its days."""
    if request.method == "POST":
        return _upload(request)
    wanted = asked(request)
    first, last = wanted.wanted.first, wanted.wanted.last
    found = compare(first, last)
    only = request.GET.get("only") == "differences"
    listed = [row for row in found if row.differs] if only or len(found) > SHOWN else found
    context = {
        "asked": wanted,
        "only": only,
        "spans": [(words, wanted.query(span=name, by=None, **OWN_DAYS), name == wanted.span) for name, words in SPANS.items()],
        "here": wanted.query(by=None),
        "rows": [_row(row) for row in listed[:SHOWN]],
        "left_out": len(found) - len(listed[:SHOWN]) if not only else max(0, len(listed) - SHOWN),
        "differing": sum(1 for row in found if row.differs),
        "sums": _sums(found),
        "bills": bills_about(first, last),
        "may_upload": may(request, UPLOAD),
        "bytes_max": BYTES_MAX,
    }
    return render(request, "console/money/bill.html", context, title="MiniMax's bill")


def _upload(request: HttpRequest) -> HttpResponseBase:
    if not may(request, UPLOAD):
        raise PermissionDenied
    sent = request.FILES.get("bill")
    if sent is None:
        messages.error(request, "No file was chosen. Nothing was stored.")
        return redirect("admin:money-bill")
    try:
        stored = upload(sent.read(BYTES_MAX + 1), file_name=sent.name or "", who=who(request))
    except BillError as error:
        messages.error(request, f"Nothing was stored of {sent.name}. {error}")
        return redirect("admin:money-bill")
    messages.success(request, _in_words(stored))
    return redirect(f"{reverse('admin:money-bill')}?from={stored.bill.first}&to={stored.bill.last}")


def _in_words(stored: Stored) -> str:
    bill = stored.bill
    replaced = f" {stored.replaced} lines of earlier bills were replaced." if stored.replaced else ""
    return f"Stored {bill.file_name}: {bill.line_count} days and models from {bill.first} to {bill.last}, {usd(bill.amount)}.{replaced}"


def _row(row: Comparison) -> dict[str, Any]:
    """A comparison with the tasks of that day and model: more than a search may name are found by the day alone."""
    search = search_for({"created": row.day})
    if row.models and len(row.models) <= VALUES_MAX:
        search = f"model:{','.join(map(quoted, row.models))} {search}"
    return {"row": row, "tasks": tasks_address(search) if row.jobs else ""}


def _sums(found: Sequence[Comparison]) -> dict[str, Decimal | int]:
    """Of the days that a bill is about, so that both sides can be compared; and what no bill is about yet."""
    about = [row for row in found if row.billed is not None]
    expected, billed = sum((row.expected for row in about), Decimal(0)), sum((row.billed or Decimal(0) for row in about), Decimal(0))
    without = sum((row.expected for row in found if row.billed is None), Decimal(0))
    return {"expected": expected, "billed": billed, "difference": billed - expected, "without": without}
