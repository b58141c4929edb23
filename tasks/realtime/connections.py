"""Who may open a stream, and whose stream has to end. Everything here asks the database, and so belongs in a thread."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings

from conduit.api.errors import ApiError, InvalidRequest, Unauthenticated
from conduit.api.network import nearest_client
from keys import limits
from keys.authentication import check_secret, usable_secret
from keys.client_token_models import ClientToken
from keys.client_tokens import check_living, is_client_token
from keys.limits import RateState
from keys.models import KeySecret, VirtualKey
from keys.strangers import counted

# What a position can be, with room: more digits than this are no position of ours.
_DIGITS_MAX = 18
_PARAMETERS_MAX = 20


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a connection, with which of the key's secrets or which client token of it, and from where."""

    key: VirtualKey
    secret_id: int
    address: str
    token_id: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        # Keys are equal that carry different tokens; callers are not.
        object.__setattr__(self, "token_id", self.key.client_token.pk if self.key.client_token else None)

    @property
    def only_task(self) -> UUID | None:
        """The one task that this caller hears of and may ask for; None: any of the key."""
        return self.key.client_token.task_id if self.key.client_token else None

    @property
    def wanted(self) -> set[str] | None:
        """The same, as what a subscriber wants that asked for nothing else."""
        return {str(self.only_task)} if self.only_task else None

    def sees(self, task_id: UUID) -> bool:
        """Whether the task is, as far as the caller's token goes, one to tell of."""
        return self.only_task in (None, task_id)

    @property
    def key_id(self) -> int:
        return self.key.pk


def admit(secret: str, address: str) -> tuple[Caller, RateState | None]:
    """The caller with that secret. Counts as a call that reads.

    Raises:
        ApiError: the key may not be used, not from there, or not so often.
    """
    with counted(address):
        found = usable_secret(secret)
    limits.check_address(found.key, address)
    rate = limits.count_call(found.key, "read", address=address)
    return Caller(found.key, found.pk, address), rate


def no_longer_admitted(callers: Iterable[Caller]) -> dict[Caller, ApiError]:
    """Those of the callers who would not be let in any more, and why: one query for all secrets, and one for client tokens if any."""
    asked = set(callers)
    rows = KeySecret.objects.filter(pk__in={caller.secret_id for caller in asked}).select_related("key")
    # What _problem reads, and no more: there may be thousands, every few seconds.
    secrets = rows.only("expires_at", "key__deleted_at", "key__enabled", "key__expires_at", "key__ip_ranges").in_bulk()
    token_ids = {caller.token_id for caller in asked if caller.token_id is not None}
    tokens = ClientToken.objects.only("expires_at").in_bulk(token_ids) if token_ids else {}
    found = ((caller, _problem(caller, secrets.get(caller.secret_id), tokens)) for caller in asked)
    return {caller: problem for caller, problem in found if problem}


def _problem(caller: Caller, secret: KeySecret | None, tokens: Mapping[int, ClientToken]) -> ApiError | None:
    if secret is None:
        return Unauthenticated("This API key is not known here any more.")
    if caller.token_id is not None and caller.token_id not in tokens:
        return Unauthenticated("This client token is not known here any more.")
    try:
        check_secret(secret)
        if caller.token_id is not None:
            check_living(tokens[caller.token_id])
        limits.check_address(secret.key, caller.address)
    except ApiError as error:
        return error
    return None


# ---- What a scope says, for streams that are no request of Django's ----------------------------------------------------


def secret_in(scope: Mapping[str, Any]) -> str:
    """The key of `Authorization: Bearer`, `X-API-Key` or, for browsers that cannot send headers, `?access_token=`.

    Raises:
        Unauthenticated: there is none.
    """
    headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if secret := headers.get(b"x-api-key", "").strip():
        return secret
    if secret := query_of(scope).get("access_token", "").strip():
        return from_address(secret)
    raise Unauthenticated("Send your API key as `Authorization: Bearer condt_…`, `X-API-Key` or `?access_token=`.")


def from_address(secret: str) -> str:
    """A secret that stood in an address.

    Raises:
        Unauthenticated: it is a key's own, and none of those may stand there (KEYS_IN_ADDRESSES).
    """
    if settings.KEYS_IN_ADDRESSES or is_client_token(secret):
        return secret
    raise Unauthenticated(
        "API keys may not stand in addresses here, which are kept in logs and histories. Send yours as `Authorization: Bearer`, or give "
        "browsers a client token of some minutes: POST /v1/client_tokens."
    )


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
