"""Every process that is at work, by host, and draining a host."""

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from conduit.console.pages import account, may, page, render
from conduit.metrics.roster import host_named, hosts
from keys.hosts import drain, end_drain

RIGHT, DRAIN_RIGHT = "tasks.view_task", "tasks.pause_work"


@page("processes/", name="processes", rights=RIGHT)
def processes_page(request: HttpRequest) -> HttpResponseBase:
    return render(request, "console/processes.html", {"hosts": hosts(), "may_drain": may(request, DRAIN_RIGHT)}, title="Processes")


@page("processes/drain/", name="drain", rights=DRAIN_RIGHT)
def drain_page(request: HttpRequest) -> HttpResponseBase:
    """What the buttons of the page send."""
    host = request.POST.get("host", "")
    if request.method == "POST" and host_named(host):
        if request.POST.get("does") == "end":
            end_drain(host)
        else:
            drain(host, by=account(request).get_username())
    return HttpResponseRedirect(reverse("admin:processes"))
