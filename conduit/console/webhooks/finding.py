"""The endpoint that an address of the console names."""

from django.db.models import Q
from django.http import Http404

from conduit.api.pagination import parse_row_id
from tasks.notifications.models import Endpoint


def endpoint_of(endpoint_id: str) -> Endpoint:
    """By its public id, or by that of its row, which the audit knows."""
    number = parse_row_id(endpoint_id)
    named = Q(public_id=endpoint_id) if number is None else Q(pk=number)
    found = Endpoint.objects.select_related("key", "team").filter(named).first()
    if found is None:
        raise Http404
    return found
