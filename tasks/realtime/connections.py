"""Who may open a stream, and whose stream has to end. Everything here asks the database, and so belongs in a thread."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from conduit.api.errors import ApiError, InvalidRequest, Unauthenticated
from conduit.api.network import nearest_client
from keys import limits
from keys.authentication import check_secret, usable_secret
from keys.limits import RateState
from keys.models import KeySecret, VirtualKey
from keys.strangers import counted

# What a position can be, with room: more digits than this are no position of ours.
_DIGITS_MAX = 18
_PARAMETERS_MAX = 20


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a connection, with which of the key's secrets, and from where."""

    key: VirtualKey
    secret_id: int
    address: str

    @property
    def key_id(self) -> int:
        return self.key.pk


def admit(secret: str, address: str) -> tuple[Caller, RateState | None]:
    """Whoever has that secret. Counts as a call that reads.

    Raises:
        ApiError: the key may not be used, not from there, or not so often.
    """
    with counted(address):
        found = usable_secret(secret)
    limits.check_address(found.key, address)
    rate = limits.count_call(found.key, "read", address=address)
    return Caller(found.key, found.pk, address), rate


def no_longer_admitted(callers: Iterable[Caller]) -> dict[Caller, ApiError]:
    """Those of the callers who would not be let in any more, and why: one query for all."""
    asked = set(callers)
    rows = KeySecret.objects.filter(pk__in={caller.secret_id for caller in asked}).select_related("key")
    # What _problem reads, and no more: there may be thousands, every few seconds.
    secrets = rows.only("expires_at", "key__deleted_at", "key__enabled", "key__expires_at", "key__ip_ranges").in_bulk()
    found = ((caller, _problem(secrets.get(caller.secret_id), caller.address)) for caller in asked)
    return {caller: problem for caller, problem in found if problem}


def _problem(secret: KeySecret | None, address: str) -> ApiError | None:
    if secret is None:
        return Unauthenticated("This API key is not known here any more.")
    try:
        check_secret(secret)
        limits.check_address(secret.key, address)
    except ApiError as error:
        return error
    return None


# ---- What a scope says, for streams that are no request of Django's ----------------------------------------------------


def secret_in(scope: Mapping[str, Any]) -> str:
    """The key of `Authorization: Bearer`, `X-API-Key` or, for browsers that cannot send headers, `?access_token=`.

    Raises:
        Unauthenticated: there is none.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if secret := headers.get(b"x-api-key", "").strip() or query_of(scope).get("access_token", "").strip():
        return secret
    raise Unauthenticated("Send your API key as `Authorization: Bearer condt_…`, `X-API-Key` or `?access_token=`.")


def address_in(scope: Mapping[str, Any]) -> str:
    """Where the client is, as conduit.api.network finds it."""
    forwarded = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    return nearest_client((scope.get("client") or [""])[0], forwarded)


def query_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The last value of each name in the query.

    Raises:
        InvalidRequest: it holds more parameters than anybody means.
    """
    try:
        found = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=_PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidRequest(f"The address holds more than {_PARAMETERS_MAX} parameters.") from error
    return {name: values[-1] for name, values in found.items()}


def position_in(text: str | None) -> int | None:
    """The position that a client sent to go on from; None when it sent none.

    Raises:
        InvalidRequest: it is not an event id.
    """
    if text is None or not text.strip():
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        raise InvalidRequest("`after` must be the `event_id` of an event of this key.", param="after")
    return int(text)
