"""Searches that are kept under a name, for oneself or for everybody."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404

from conduit import clock
from conduit.api.errors import Conflict, InvalidRequest
from conduit.console.models import NAME_CHARACTERS, SavedSearch
from conduit.console.pages import account, may, page
from conduit.console.tasks.addresses import tasks_address
from keys import audit
from tasks.search_language import NotUnderstood
from tasks.search_meaning import meaning_of

# Of an account: they are shown as links in a row.
SEARCHES_MAX = 30


def shown_to(owner: User) -> list[SavedSearch]:
    """Those that an account sees as links."""
    return list(SavedSearch.objects.shown_to(owner.pk)[: 2 * SEARCHES_MAX])


def save(*, owner: User, name: str, text: str, shared: bool) -> SavedSearch:
    """Keep a search; one's own of that name is replaced. A shared one is told in the audit.

    Raises:
        InvalidRequest: it has no name, is none, or there are as many as may be.
        Conflict: somebody else shares one of that name.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS or not name.isprintable():
        raise InvalidRequest(f"A search is saved under a name of 1 to {NAME_CHARACTERS} characters.", param="name")
    if not text.strip():
        raise InvalidRequest("There is nothing to save: search for something first.", param="q")
    meaning_of(text, clock.now())
    own = SavedSearch.objects.filter(owner=owner)
    if own.exclude(name=name).count() >= SEARCHES_MAX:
        raise InvalidRequest(f"{SEARCHES_MAX} searches are saved, and no more may be. Delete one first.", param="name")
    try:
        with transaction.atomic():
            before = own.filter(name=name).first()
            saved, _ = SavedSearch.objects.update_or_create(owner=owner, name=name, defaults={"text": text, "shared": shared})
            if shared or (before and before.shared):
                audit.record(action="save search" if shared else "share search no more", target=saved, name=name, q=text)
    except IntegrityError as error:
        raise Conflict(f"Somebody else shares a search named {name}. Take another name.", param="name") from error
    return saved


def delete(saved: SavedSearch) -> None:
    with transaction.atomic():
        if saved.shared:
            audit.record(action="delete", target=saved, name=saved.name, q=saved.text)
        saved.delete()


@page("tasks/searches/", name="tasks-save-search", rights="tasks.view_task")
def save_page(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST":
        return HttpResponseRedirect(tasks_address())
    text, shared = request.POST.get("q", ""), request.POST.get("shared") == "1"
    if shared and not may(request, "console.share_search"):
        raise PermissionDenied
    try:
        saved = save(owner=account(request), name=request.POST.get("name", ""), text=text, shared=shared)
    except (InvalidRequest, Conflict, NotUnderstood) as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"Saved as {saved.name}{', for everybody' if shared else ''}.")
    return HttpResponseRedirect(tasks_address(text))


@page("tasks/searches/<int:search_id>/delete/", name="tasks-delete-search", rights="tasks.view_task")
def delete_page(request: HttpRequest, search_id: int) -> HttpResponseBase:
    if request.method != "POST":
        return HttpResponseRedirect(tasks_address())
    saved = get_object_or_404(SavedSearch, pk=search_id)
    if saved.owner_id != request.user.pk:
        if not saved.shared:
            raise Http404
        if not may(request, "console.share_search"):
            raise PermissionDenied
    delete(saved)
    messages.success(request, f"{saved.name} is deleted.")
    return HttpResponseRedirect(tasks_address(saved.text))
