"""The page of orders whose answer was lost: what may have been billed, and what is still being found out."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.console.pages import may, page, render
from videos.lost_orders.reading import maybe_billed, outlived, reconciling

# Orders of each kind on one page.
SHOWN = 200


@page("money/lost/", name="money-lost", rights="keys.view_usagecost")
def lost(request: HttpRequest) -> HttpResponseBase:
    context = {
        "billed": maybe_billed(SHOWN),
        "waiting": reconciling(SHOWN),
        "outlived": outlived(SHOWN),
        "may_decide": may(request, "videos.reconcile_clip"),
    }
    return render(request, "console/money/lost.html", context, title="Orders that may have been billed")
