"""A key's client tokens, for programs that manage keys."""

from rest_framework.request import Request
from rest_framework.response import Response

from keys import client_tokens
from keys.management_api import ManagementView, found, listed
from keys.models import VirtualKey
from keys.presentation import show_client_tokens


class ClientTokensOfKeyView(ManagementView):
    """Those that have not ended; DELETE ends them all."""

    parameters = ("limit", "after")

    def get(self, request: Request, key_id: str) -> Response:
        key = found(VirtualKey.objects.all(), key_id, "key_id")
        return Response(listed(client_tokens.living(key), request, show_client_tokens))

    def delete(self, request: Request, key_id: str) -> Response:
        key = found(VirtualKey.objects.all(), key_id, "key_id")
        return Response({"object": "client_tokens", "key": key.pk, "ended": client_tokens.end_all(key, who=self.who)})
