"""What was told by mail, and what the mail server said to it."""

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.console.listing import listing, text_of
from conduit.console.pages import page, render
from tasks.notifications.models import Mail, State

_STATES: dict[str, str] = {"waiting": State.PENDING, "sent": State.DELIVERED, "given up": State.FAILED}
_ORDERS = {"newest": lambda found: found.order_by("-pk"), "oldest": lambda found: found.order_by("pk")}


@page("webhooks/mails/", name="mails", rights="notifications.view_mail")
def mails(request: HttpRequest) -> HttpResponseBase:
    text, state = text_of(request), request.GET.get("state", "")
    found: QuerySet[Mail] = Mail.objects.all()
    if text:
        found = found.filter(to__icontains=text) | found.filter(subject__icontains=text)
    if state in _STATES:
        found = found.filter(state=_STATES[state])
    shown = listing(request, found, _ORDERS, {"q": text, "state": state})
    context = {"listing": shown, "q": text, "state": state, "states": _STATES, "has_server": bool(settings.EMAIL_HOST)}
    return render(request, "console/webhooks/mails.html", context, title="Mails")
