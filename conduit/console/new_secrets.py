"""A new secret on its way to the person who made it: in the session of that account, encrypted, for ten minutes, and nowhere else.

The page that shows it can so be loaded again without making another. What a session stores is a row of the database: without
SECRET_KEY nobody reads the secret in it (conduit.sealing), and it says itself when it has waited too long.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography.fernet import InvalidToken, MultiFernet
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Model

from conduit import clock, sealing
from keys.audit import target_of

SHOWN_FOR = timedelta(minutes=10)
# Of one session: a person who makes more within ten minutes has had time to copy the first.
WAITING_MAX = 20

_IN_SESSION = "new_secrets"


class Waiting(NamedTuple):
    """A secret that its maker may still see."""

    name: str  # opaque: what the page's address holds
    secret: str
    until: datetime


def keep(session: SessionBase, key: Model, secret: str) -> str:
    """Keep the new secret of a virtual or management key for the pages of this session; the name that `find` takes."""
    forget_old(session)
    name = secrets.token_urlsafe(16)
    sealed = _box().encrypt_at_time(f"{target_of(key)} {secret}".encode(), _now()).decode()
    session[_IN_SESSION] = dict([*session.get(_IN_SESSION, {}).items(), (name, sealed)][-WAITING_MAX:])
    return name


def find(session: SessionBase, key: Model, name: str) -> Waiting | None:
    """The secret of that key that waits under that name; None when its time is over, or it was never here."""
    sealed = session.get(_IN_SESSION, {}).get(name, "")
    of, _, secret = (_opened(sealed) or "").partition(" ")
    return Waiting(name, secret, _sealed_at(sealed) + SHOWN_FOR) if of == target_of(key) else None


def newest(session: SessionBase, key: Model) -> Waiting | None:
    """The last secret of that key that may still be seen here."""
    names = reversed(session.get(_IN_SESSION, {}))
    return next((found for name in names if (found := find(session, key, name))), None)


def forget_old(session: SessionBase) -> None:
    """Remove from the session what may be seen no more."""
    waiting = session.get(_IN_SESSION)
    if not waiting:
        return
    left = {name: sealed for name, sealed in waiting.items() if _opened(sealed) is not None}
    if left != waiting:
        session[_IN_SESSION] = left


def _opened(sealed: str) -> str | None:
    try:
        return _box().decrypt_at_time(sealed, int(SHOWN_FOR.total_seconds()), _now()).decode()
    except InvalidToken:  # too old; or SECRET_KEY is another by now
        return None


def _sealed_at(sealed: str) -> datetime:
    return datetime.fromtimestamp(_box().extract_timestamp(sealed), UTC)


def _now() -> int:
    return int(clock.now().timestamp())


def _box() -> MultiFernet:
    return sealing.box("keys.new_secrets")  # its name since before it moved here, with which it sealed
