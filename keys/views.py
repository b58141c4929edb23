"""What a key's holder may ask about the key itself."""

import csv
from io import StringIO

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import InvalidRequest
from conduit.api.pagination import check_parameters
from keys import client_tokens, usage, work
from keys.client_tokens import Right
from keys.keyed_view import KeyedView
from keys.models import UsageCost
from keys.presentation import show_client_token, show_own

USAGE_PARAMETERS = ("from", "to", "group_by", "time_zone", "format", "bom")
FORMATS = {"json": "application/json", "csv": "text/csv"}


class KeyView(KeyedView):
    """The key; to a client token, what that may itself and nothing of its key."""

    token_may = {"GET": Right.CREATE}

    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        if token := self.key.client_token:
            return Response(show_client_token(token, client_tokens.used(token)))
        return Response(show_own(self.key, work.current().in_flight(self.key)))


class UsageView(KeyedView):
    def get(self, request: Request) -> HttpResponse:
        check_parameters(request.query_params, USAGE_PARAMETERS)
        return usage_answer(request, UsageCost.objects.filter(key=self.key), usage.CONSUMER_GROUPS)


def usage_answer(request: Request, costs: QuerySet[UsageCost], groups: tuple[str, ...]) -> HttpResponse:
    """The report that the query string asks for, as JSON or CSV."""
    as_csv = _format(request) == "csv"
    bom = _bom(request, as_csv=as_csv)
    group_by = usage.parse_group_by(request.query_params, groups)
    found = usage.report(costs, usage.Span.parse(request.query_params), group_by)
    answer = _csv(found, bom) if as_csv else Response(usage.as_json(found))
    answer["Vary"] = "Accept"
    return answer


def _format(request: Request) -> str:
    """`format` of the query string, else what `Accept` prefers."""
    if "format" not in request.query_params:
        return "csv" if request._request.get_preferred_type(list(FORMATS.values())) == FORMATS["csv"] else "json"
    if (wanted := request.query_params["format"]) not in FORMATS:
        raise InvalidRequest(f"`format` must be one of {', '.join(FORMATS)}.", param="format")
    return wanted


def _bom(request: Request, *, as_csv: bool) -> str:
    """What CSV begins with: with `bom=1` the mark by which spreadsheets know UTF-8."""
    wanted = request.query_params.get("bom", "0")
    if wanted not in ("0", "1"):
        raise InvalidRequest("`bom` must be 0 or 1.", param="bom")
    if wanted == "1" and not as_csv:
        raise InvalidRequest("`bom` goes with `format=csv`.", param="bom")
    return "\ufeff" if wanted == "1" else ""


def _csv(report: usage.Usage, bom: str) -> HttpResponse:
    text = StringIO(newline="")
    text.write(bom)
    csv.writer(text).writerows(usage.as_csv(report))
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
