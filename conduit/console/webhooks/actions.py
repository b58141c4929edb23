"""What can be done with an endpoint on its page. A person who may see a page that asks first may also do it."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from conduit.api.errors import ApiError, InvalidRequest
from conduit.api.pagination import parse_row_id
from conduit.console import new_secrets
from conduit.console.model_pages import who
from conduit.console.pages import page, render
from conduit.console.webhooks.finding import endpoint_of
from conduit.console.webhooks.forms import EndpointForm, initial, owner_of
from tasks.notifications import endpoints, log
from tasks.notifications.models import Delivery, Endpoint, State


def _to(endpoint: Endpoint) -> HttpResponseRedirect:
    return HttpResponseRedirect(_address(endpoint))


def _address(endpoint: Endpoint) -> str:
    return reverse("admin:webhook", args=[endpoint.public_id])


def _secret_page(request: HttpRequest, endpoint: Endpoint, secret: str) -> HttpResponseRedirect:
    name = new_secrets.keep(request.session, endpoint, secret)
    return HttpResponseRedirect(reverse("admin:webhook-secret", args=[endpoint.public_id, name]))


@page("webhooks/add/", name="webhook-add", rights="notifications.add_endpoint")
def add(request: HttpRequest) -> HttpResponseBase:
    owner: dict[str, Any] = owner_of(request.GET)
    form = EndpointForm(request.POST or None, is_place=not owner)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = endpoints.create(**owner, who=who(request), **form.cleaned_data)
        except ApiError as error:
            messages.error(request, error.message)
        else:
            return _secret_page(request, made, secret)
    whose = next((f"{name} {row}" for name, row in owner.items()), "the whole place")
    return render(request, "console/webhooks/form.html", {"form": form, "whose": whose}, title="Add a webhook endpoint")


@page("webhooks/<str:endpoint_id>/change/", name="webhook-change", rights="notifications.change_endpoint")
def change(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    endpoint = endpoint_of(endpoint_id)
    form = EndpointForm(request.POST or None, initial=initial(endpoint), is_place=endpoint.is_place)
    if request.method == "POST" and form.is_valid():
        endpoints.change(endpoint, who=who(request), **form.cleaned_data)
        messages.success(request, "Changed. What it has not received yet goes to the address as it is now.")
        return _to(endpoint)
    return render(request, "console/webhooks/form.html", {"form": form, "endpoint": endpoint, "whose": endpoint.owner}, title="Change")


@page("webhooks/<str:endpoint_id>/switch/", name="webhook-switch", rights="notifications.change_endpoint")
def switch(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    """A POST enables it or, with `off`, disables it."""
    endpoint = endpoint_of(endpoint_id)
    if request.method == "POST":
        enabled = request.POST.get("to") != "off"
        endpoints.change(endpoint, who=who(request), enabled=enabled)
        messages.success(request, "Enabled: it is told of what happens from now on." if enabled else "Disabled: it is called no more.")
    return _to(endpoint)


@page("webhooks/<str:endpoint_id>/rotate/", name="webhook-rotate", rights="notifications.change_endpoint")
def rotate(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    endpoint = endpoint_of(endpoint_id)
    if request.method == "POST" and request.POST.get("old") in ("later", "now"):
        now, secret = endpoints.rotate(endpoint, keeps_old=request.POST["old"] == "later", who=who(request))
        return _secret_page(request, now, secret)
    context = {"of": f"{endpoint.name} of {endpoint.owner}", "back": _address(endpoint)}
    return render(request, "console/webhooks/rotate.html", context, title="Another secret?")


@page("webhooks/<str:endpoint_id>/secret/<str:waiting>/", name="webhook-secret", rights="notifications.change_endpoint")
def secret(request: HttpRequest, endpoint_id: str, waiting: str) -> HttpResponseBase:
    endpoint = endpoint_of(endpoint_id)
    found = new_secrets.find(request.session, endpoint, waiting)
    title = "A new secret" if found else "This secret is shown no more"
    context = {"of": endpoint.name, "back": _address(endpoint), "waiting": found}
    answer = render(request, "console/webhooks/secret.html", context, title=title, status=200 if found else 410)
    answer["Cache-Control"] = "no-store"
    return answer


@page("webhooks/<str:endpoint_id>/delete/", name="webhook-delete", rights="notifications.delete_endpoint")
def delete(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    endpoint = endpoint_of(endpoint_id)
    if request.method == "POST":
        endpoints.delete(endpoint, who=who(request))
        messages.success(request, f"Deleted {endpoint.name}.")
        return HttpResponseRedirect(reverse("admin:webhooks"))
    counts = log.counts(Delivery.objects.filter(endpoint=endpoint))
    context = {"endpoint": endpoint, "pending": counts[State.PENDING]}
    return render(request, "console/webhooks/delete.html", context, title="Delete this endpoint?")


@page("webhooks/<str:endpoint_id>/test/", name="webhook-test", rights="notifications.send_webhooks")
def test(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    """A POST sends a made-up event of `type`, and waits for the answer."""
    endpoint = endpoint_of(endpoint_id)
    wanted = request.POST.get("type", "")
    if request.method == "POST" and wanted in endpoint.event_types:
        try:
            outcome = endpoints.send_test(endpoint, wanted, who=who(request)).outcome
        except ApiError as error:
            messages.error(request, error.message)
            return _to(endpoint)
        took = f" after {round(outcome.seconds * 1000)} ms"
        if outcome.arrived:
            messages.success(request, f"It answered {outcome.status_code}{took}.")
        else:
            messages.error(request, f"{outcome.problem.rstrip('.')}{took}.")
    return _to(endpoint)


@page("webhooks/<str:endpoint_id>/again/", name="webhook-again", rights="notifications.send_webhooks")
def again(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    """A POST sends one `delivery` again, with `all` everything that was given up, or what there was between `after` and `before`."""
    endpoint = endpoint_of(endpoint_id)
    if request.method == "POST":
        deliveries = Delivery.objects.filter(endpoint=endpoint)
        try:
            count = log.redeliver(_chosen(deliveries, request.POST), of=endpoint, who=who(request))
        except ApiError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{count} deliver{'y is' if count == 1 else 'ies are'} sent again, under the same ids.")
    return _to(endpoint)


def _chosen(deliveries: QuerySet[Delivery], form: QueryDict) -> QuerySet[Delivery]:
    """InvalidRequest: it names a time that is none."""
    if form.get("all"):
        return deliveries.filter(state=State.FAILED)
    if "after" in form:
        after, before = (_moment(form.get(name, "")) for name in ("after", "before"))
        return log.chosen(deliveries, after=after, before=before)
    return deliveries.filter(pk=parse_row_id(form.get("delivery", "")) or 0)


def _moment(text: str) -> datetime:
    """Of a field that knows no zone."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidRequest("Say from when to when, such as 2026-11-29 14:00, in UTC.")
    return moment.replace(tzinfo=UTC)
