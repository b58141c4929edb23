"""What a key's own webhooks are signed with, those that its calls name by `webhook_url`."""

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse

from conduit.console import new_secrets
from conduit.console.model_pages import who
from conduit.console.pages import page, render
from keys.models import VirtualKey
from tasks.notifications import endpoints
from tasks.notifications.models import KeySigning


@page("keys/<int:key_id>/webhook-secret/", name="key-webhook-secret", rights="keys.change_virtualkey")
def rotate(request: HttpRequest, key_id: int) -> HttpResponseBase:
    """GET says what it has and asks; a POST makes another."""
    key = get_object_or_404(VirtualKey, pk=key_id, deleted_at=None)
    if request.method == "POST" and request.POST.get("old") in ("later", "now"):
        made, secret = endpoints.rotate_of_key(key, keeps_old=request.POST["old"] == "later", who=who(request))
        name = new_secrets.keep(request.session, made, secret)
        return HttpResponseRedirect(reverse("admin:key-webhook-secret-shown", args=[key.pk, name]))
    row = KeySigning.objects.filter(key=key).first()
    waiting = new_secrets.newest(request.session, row) if row else None
    context = {"of": f"The webhooks of key {key}", "signing": row, "back": _back(key), "key": key, "waiting": waiting}
    return render(request, "console/webhooks/rotate.html", context, title=f"Webhook secret of {key}")


@page("keys/<int:key_id>/webhook-secret/<str:waiting>/", name="key-webhook-secret-shown", rights="keys.change_virtualkey")
def shown(request: HttpRequest, key_id: int, waiting: str) -> HttpResponseBase:
    key = get_object_or_404(VirtualKey, pk=key_id, deleted_at=None)
    row = KeySigning.objects.filter(key=key).first()
    found = new_secrets.find(request.session, row, waiting) if row else None
    title = "A new secret" if found else "This secret is shown no more"
    context = {"of": f"key {key}", "back": _back(key), "waiting": found}
    answer = render(request, "console/webhooks/secret.html", context, title=title, status=200 if found else 410)
    answer["Cache-Control"] = "no-store"
    return answer


def _back(key: VirtualKey) -> str:
    return reverse("admin:keys_virtualkey_change", args=[key.pk])
