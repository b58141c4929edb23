"""Making, changing, switching and testing accounts: what the console and the management API do, each with its row in the audit."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.utils.text import capfirst

from conduit import conditions
from conduit.api.errors import Conflict, InvalidRequest
from keys import audit, budget_owners
from keys.known_models import check_models
from videos.account_models import WEIGHT_MOST, AccountState, AsideFor, ProviderAccount
from videos.accounts import breakers, plans
from videos.inputs import all_roles
from videos.minimax.account import provider_at
from videos.minimax.errors import Blame, MiniMaxError
from videos.minimax.exchanges import ms_since
from videos.models import Clip

KEY_CHARACTERS = 4000
# Conditions that tell of accounts: seen at once when somebody changed one.
_TOLD_BY = ("minimax_accounts", "minimax_key", "minimax_balance", "minimax_reach", "minimax_plan")
SEALED_BEFORE = "minimax_sealed"
_OF_ENVIRONMENT = {"base_url": "MINIMAX_BASE_URL", "key": "MINIMAX_API_KEY"}


@dataclass(frozen=True)
class Tested:
    """What came of a test."""

    fine: bool
    words: str
    milliseconds: int
    error: MiniMaxError | None = None


def tidy_address(text: str) -> str:
    """A base URL as it is kept, with the path of a proxy and without a version that was pasted along; ValueError says what is wrong."""
    address = re.sub(r"/v[12]$", "", text.strip().rstrip("/"))
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ValueError("has a port that is none") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]{1,300}", address):
        raise ValueError("must be https:// (or http://), a host and, for a proxy, a path")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user, no password, and neither ? nor #: the key has a field of its own")
    if parts.scheme == "http" and settings.CONDUIT_ENV == "production" and not settings.OUTBOUND_HTTP:
        raise ValueError("is http: the key would go over the network for everybody to read. Use https, or set OUTBOUND_HTTP=true")
    usual_port = 443 if parts.scheme == "https" else 80
    if not settings.OUTBOUND_ALLOWED.may_permit(parts.hostname, port or usual_port, usual_port):
        raise ValueError(f"is no public address at the usual port, and OUTBOUND_ALLOWED does not list it: add {parts.netloc}")
    return address


def problems(fields: Mapping[str, Any], *, account: ProviderAccount | None = None) -> dict[str, str]:
    """What is wrong with an account of these fields, by field; those that are missing are not judged."""
    found: dict[str, str] = {}
    if account and account.from_environment:
        for name, variable in _OF_ENVIRONMENT.items():
            if fields.get(name):
                found[name] = f"`{name}` of this account is {variable} of the environment: set it there."
    elif "base_url" in fields:
        try:
            tidy_address(fields["base_url"] or "")
        except ValueError as error:
            found["base_url"] = f"`base_url` {error}."
    if (key := fields.get("key")) and (len(key) > KEY_CHARACTERS or not re.fullmatch(r"[!-~]+", key.strip())):
        found.setdefault("key", f"`key` must be at most {KEY_CHARACTERS} printable ASCII characters without spaces.")
    if fields.get("model_names"):
        try:
            check_models(fields["model_names"])
        except ValueError as error:
            found["model_names"] = f"`models` {error}."
    if not set(fields.get("input_roles") or ()) <= set(all_roles()):
        found["input_roles"] = f"`inputs` must be some of {', '.join(all_roles())}."
    weight = fields.get("weight")
    if weight is not None and not 1 <= weight <= WEIGHT_MOST:
        found["weight"] = f"`weight` must be from 1 to {WEIGHT_MOST}."
    return found


def create(*, who: str, name: str, kind: str, base_url: str, key: str, **fields: Any) -> ProviderAccount:
    """A new account. `fields` are others of ProviderAccount.

    Raises:
        InvalidRequest: `problems` finds one, or its name is taken.
    """
    _check({"base_url": base_url, "key": key, **fields})
    account = ProviderAccount(name=name, kind=kind, base_url=tidy_address(base_url), **fields).seal(key)
    with transaction.atomic():
        with budget_owners.own_name("account"):
            account.save(force_insert=True)
        told = {"name": name, "kind": kind, "base_url": account.base_url, "key_set_at": account.key_set_at, **fields}
        audit.record(who=who, action="create", target=account, **told)
        _tell_on_commit()
    return account


def change(account: ProviderAccount, *, who: str, key: str | None = None, **fields: Any) -> None:
    """Write what differs. What was held against an account is forgotten with another key or address, or when it is switched on.

    Raises:
        InvalidRequest: `problems` finds one, or its name is taken.
        NotFound: it was deleted meanwhile.
    """
    _check(fields | ({"key": key} if key else {}), account=account)
    if "base_url" in fields:
        fields["base_url"] = "" if account.from_environment else tidy_address(fields["base_url"])
    is_new = bool(key) or fields.get("base_url", account.base_url) != account.base_url
    is_new |= fields.get("state") == AccountState.ON != account.state
    is_new |= fields.get("model_names", account.model_names) != account.model_names
    if key:
        sealed = ProviderAccount().seal(key)
        fields |= {"sealed_secret": sealed.sealed_secret, "key_set_at": sealed.key_set_at}
    with transaction.atomic():
        with budget_owners.own_name("account"):
            budget_owners.change(account, who=who, **fields)
        if is_new:
            _forgive(account)
        _tell_on_commit()


def switch(account: ProviderAccount, state: str, *, who: str) -> None:
    """On, to draining, or off."""
    change(account, who=who, state=state)


def delete(account: ProviderAccount, *, who: str) -> None:
    """Delete one that made nothing.

    Raises:
        Conflict: it is the environment's, or has jobs: their history names it.
    """
    if account.from_environment:
        raise Conflict("This account is the environment's: it can be switched off, not deleted.")
    with transaction.atomic():
        if Clip.objects.filter(account=account.pk).exists():
            raise Conflict("This account has made videos, whose history names it: it can be switched off, not deleted.")
        audit.record(who=who, action="delete", target=account, name=account.name, kind=account.kind, base_url=account.base_url)
        account.delete()
        _tell_on_commit()


@dataclass(frozen=True)
class Resealed:
    """What came of sealing keys anew: how many were, how many needed it not, and the names of accounts whose key nothing opens."""

    resealed: int
    current: int
    lost: tuple[str, ...]


def reseal(*, who: str) -> Resealed:
    """Seal each key with SECRET_KEY as it is now, which all processes have to know by then."""
    resealed, current, lost = 0, 0, []
    for account in ProviderAccount.objects.exclude(sealed_secret="").order_by("pk"):
        if account.is_sealed_anew:
            current += 1
            continue
        before = account.sealed_secret
        try:
            account.seal_anew()
        except InvalidToken:
            lost.append(account.name)
            continue
        with transaction.atomic():
            # A key that was set meanwhile is sealed so already.
            if ProviderAccount.objects.filter(pk=account.pk, sealed_secret=before).update(sealed_secret=account.sealed_secret):
                audit.record(who=who, action="seal anew", target=account)
                resealed += 1
    conditions.refresh(SEALED_BEFORE)
    return Resealed(resealed, current, tuple(lost))


def test(account: ProviderAccount, *, who: str) -> Tested:
    """Ask the account what costs nothing. It calls the network: outside transactions. Whether its balance suffices only an order tells."""
    tested = _tested(account)
    with transaction.atomic():
        audit.record(who=who, action="test", target=account, result=tested.words)
    for name in _TOLD_BY:
        conditions.refresh(name)
    return tested


def _tested(account: ProviderAccount) -> Tested:
    tested = ask(account)
    if tested.error:
        breakers.failed(account, tested.error, ordering=False)
    if not tested.fine:
        return tested
    breakers.answered(account, ordering=False)
    plans.try_now(account)
    if account.cause == Blame.ACCOUNT_BALANCE:
        breakers.try_now(account)
        return replace(tested, words="Its key is accepted; whether its balance suffices the next order tells, which is sent now.")
    return tested


def ask(account: ProviderAccount) -> Tested:
    """What the account answers to a call that costs nothing. Nothing is kept of it, nor does anything change by it."""
    if not account.key:
        return Tested(False, "It has no key, or one that was sealed with another SECRET_KEY: set it anew.", 0)
    started = time.monotonic()
    try:
        provider_at(account.address, account.key, api=account.api).test()
    except MiniMaxError as error:
        code = f" (code {error.provider_code}{f': {error.said}' if error.said else ''})" if error.provider_code else ""
        return Tested(False, f"{error.message}{code}", ms_since(started), error)
    return Tested(True, "It answers, and its key is accepted.", ms_since(started))


def _check(fields: Mapping[str, Any], *, account: ProviderAccount | None = None) -> None:
    for name, problem in problems(fields, account=account).items():
        raise InvalidRequest(problem, param={"model_names": "models", "input_roles": "inputs"}.get(name, name))


def _forgive(account: ProviderAccount) -> None:
    forgiven = {name: getattr(account, name) for name in breakers.forgive(account)}
    fresh = forgiven | {"pace": None, "paced_at": None, "refusals": 0, "next_create_at": None, "failed_orders": 0, "failed_reads": 0}
    fresh |= {"ask_factor": 1, "asked_too_often_at": None, "refused_models": {}}
    ProviderAccount.objects.filter(pk=account.pk).update(**fresh)


def _tell_on_commit() -> None:
    def tell() -> None:
        breakers.wake(*AsideFor.values)
        for name in _TOLD_BY:
            conditions.refresh(name)

    transaction.on_commit(tell, robust=True)


def in_words(account: ProviderAccount) -> str:
    """How it is, for people: a few words."""
    if account.cause:
        return capfirst(AsideFor(account.cause).label)
    if account.state == AccountState.ON and account.refused_models:
        return f"Well, but its plan does not have {', '.join(sorted(account.refused_models))}"
    return {AccountState.ON: "Well", AccountState.DRAINING: "Draining", AccountState.OFF: "Off"}[AccountState(account.state)]
