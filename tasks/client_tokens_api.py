"""Making client tokens. It stands with the tasks, one of which a token may be about."""

from rest_framework.request import Request
from rest_framework.response import Response

from keys import client_tokens
from keys.authentication import secret_of, usable_secret
from keys.client_token_requests import ClientTokenRequest
from keys.keyed_view import KeyedView
from keys.presentation import show_client_token
from tasks.views import task_of


class ClientTokensView(KeyedView):
    instead = {"GET": "A client token that creates is read with GET /v1/key and the token itself."}

    def post(self, request: Request) -> Response:
        wanted = ClientTokenRequest.parse(request.data)
        task_id = task_of(self.key, wanted.task_id).pk if wanted.task_id is not None else None
        # The very secret that asks: with it the token ends.
        secret = usable_secret(secret_of(request))
        token, text = client_tokens.create_token(secret, seconds=wanted.expires_in, task_id=task_id, bounds=wanted.bounds)
        return Response({"token": text, **show_client_token(token)}, status=201)
