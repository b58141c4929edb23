"""The lists of keys and of teams."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.api.pagination import parse_row_id
from conduit.console.listing import listing, text_of
from conduit.console.pages import may, page, render
from keys import overview
from keys.models import Team

_KEY_ORDERS = {
    "newest": lambda found: found,
    "spent this month": overview.dearest_first,
    "last used": overview.lately_used_first,
    "name": lambda found: found.order_by("name", "pk"),
}
_TEAM_ORDERS = {"name": lambda found: found, "spent this month": overview.dearest_first}


@page("keys/", name="keys", rights="keys.view_virtualkey")
def keys(request: HttpRequest) -> HttpResponseBase:
    text, state, team = text_of(request), request.GET.get("state", ""), _team(request)
    state = state if state in overview.STATES else ""
    found = overview.keys(text=text, state=state, team_id=team.pk if team else None)
    shown = listing(request, found, _KEY_ORDERS, {"q": text, "state": state, "team": str(team.pk) if team else ""})
    context: dict[str, Any] = {
        "listing": shown,
        "rows": overview.rows(shown.rows),
        "q": text,
        "state": state,
        "states": overview.STATES,
        "team": team,
        "may_change": may(request, "keys.change_virtualkey"),
    }
    return render(request, "console/keys/keys.html", context, title="Keys")


@page("keys/teams/", name="teams", rights="keys.view_team")
def teams(request: HttpRequest) -> HttpResponseBase:
    text = text_of(request)
    shown = listing(request, overview.teams(text=text), _TEAM_ORDERS, {"q": text})
    context = {"listing": shown, "rows": overview.rows(shown.rows), "q": text}
    return render(request, "console/keys/teams.html", context, title="Teams")


def _team(request: HttpRequest) -> Team | None:
    number = parse_row_id(request.GET.get("team", ""))
    return None if number is None else Team.objects.filter(pk=number).first()
