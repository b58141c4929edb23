"""The client tokens of a key, and their end."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect

from conduit.console.model_pages import who
from conduit.console.pages import may, page, render
from keys import client_tokens
from keys.models import VirtualKey

# Newest first; there can be thousands.
SHOWN = 100


@page("keys/<int:key_id>/client-tokens/", name="client-tokens", rights="keys.view_virtualkey")
def tokens_of_key(request: HttpRequest, key_id: int) -> HttpResponseBase:
    """GET shows those that have not ended, POST ends them all."""
    key = get_object_or_404(VirtualKey, pk=key_id)
    may_end = may(request, "keys.change_virtualkey")
    if request.method == "POST":
        if not may_end:
            raise PermissionDenied
        ended = client_tokens.end_all(key, who=who(request))
        messages.success(request, f"Ended {ended} client token{'' if ended == 1 else 's'} of {key}.")
        return redirect("admin:client-tokens", key.pk)
    living = client_tokens.living(key)
    context = {"key": key, "tokens": living[:SHOWN], "count": living.count(), "shown": SHOWN, "may_end": may_end}
    return render(request, "console/keys/client_tokens.html", context, title=f"Client tokens of {key}")
