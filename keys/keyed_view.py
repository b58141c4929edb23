"""What every view of a call with a virtual key stands on: the way of such a call, step by step."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from rest_framework.request import Request

from conduit.api.errors import ApiError
from conduit.api.idempotency import is_repeatable
from conduit.api.network import client_address
from conduit.api.views import ApiView
from keys import limits
from keys.authentication import VirtualKeyAuthentication, counted_once
from keys.client_tokens import Right, check_right
from keys.models import VirtualKey


class KeyedView(ApiView):
    """A call comes in like this: whose it is and whether it may come from there (VirtualKeyAuthentication), whether there is a place
    for it in the key's limits and whether a client token may do it (here), and then the method.

    A method that is `idempotent` is called although there is no place, with `refusal` set: what was done is answered again, however
    often it is asked for, and counts as no call. It raises `refusal` where there is nothing to answer again.
    """

    authentication_classes = [VirtualKeyAuthentication]
    # Whether a POST counts as a call that creates; all others read or cancel.
    creates: ClassVar[bool] = False
    # What a client token needs for each method; one that is not named here takes the key itself.
    token_may: ClassVar[Mapping[str, Right]] = {}

    @property
    def key(self) -> VirtualKey:
        """The key that the call came with."""
        return cast(VirtualKey, self.request.auth)

    def check_throttles(self, request: Request) -> None:
        """REST framework's name for: count the call."""
        kind: limits.Kind = "create" if self.creates and request.method == "POST" else "read"
        address = client_address(request._request)
        try:
            rate = counted_once(request._request, lambda: limits.count_call(self.key, kind, address=address))
        except ApiError as refusal:
            if not is_repeatable(self, request):
                raise
            self.refusal = refusal
            rate = refusal.rate if isinstance(refusal, limits.RateLimited) else None
        if rate:
            self.said |= rate.headers

    def initial(self, request: Request, *args: Any, **named: Any) -> None:
        super().initial(request, *args, **named)
        method = "GET" if request.method == "HEAD" else str(request.method)
        if hasattr(self, method.lower()):  # any other is told which there are
            check_right(self.key, self.token_may.get(method, Right.NEVER))
