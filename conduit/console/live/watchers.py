"""Who may watch, and who may no longer. Everything here asks the database, and so belongs in a thread."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils.crypto import constant_time_compare

from conduit import clock
from conduit.api.errors import ApiError, Forbidden, Overloaded, Unauthenticated
from conduit.console.now.parts import MONEY_RIGHT
from conduit.console.security.entry import may_enter
from conduit.console.security.second_factor import with_devices

RIGHT = "tasks.view_task"


class RightsChanged(Overloaded):
    """What was told so far is not what the account may see now: its page should come again."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """A session of the console, whose it is, and whether he may see money."""

    session_key: str
    user_id: str
    sees_money: bool = False


def admit(session_key: str) -> Watcher:
    """The person who is logged in with that session.

    Raises:
        Unauthenticated: nobody is.
        Forbidden: he may not see tasks.
    """
    session = _sessions([session_key]).get(session_key)
    user_id = str(session.get(SESSION_KEY, "")) if session else ""
    watcher = Watcher(session_key, user_id, user_id in _having(MONEY_RIGHT, [user_id]))
    if problem := no_longer_admitted([watcher]).get(watcher):
        raise problem
    return watcher


def no_longer_admitted(watchers: Iterable[Watcher]) -> dict[Watcher, ApiError]:
    """Those who would not be let in any more, or would see something else, and why: four queries for all, however many there are."""
    asked = set(watchers)
    ids = {watcher.user_id for watcher in asked}
    sessions = _sessions({watcher.session_key for watcher in asked})
    users = {str(user.pk): user for user in with_devices(User.objects.filter(pk__in=_numbers(ids)))}
    may, may_see_money = _having(RIGHT, ids), _having(MONEY_RIGHT, ids)
    refused: dict[Watcher, ApiError] = {}
    for watcher in asked:
        session, user = sessions.get(watcher.session_key), users.get(watcher.user_id)
        if session is None or user is None or not _is_of(session, user) or not may_enter(user, session):
            refused[watcher] = Unauthenticated("You are not logged in any more.")
        elif watcher.user_id not in may:
            refused[watcher] = Forbidden("Your account may not see tasks.")
        elif watcher.sees_money != (watcher.user_id in may_see_money):
            refused[watcher] = RightsChanged()
    return refused


def _sessions(keys: Collection[str]) -> dict[str, SessionStore]:
    """Those of them that have not run out, with what they hold."""
    found = {}
    for row in Session.objects.filter(session_key__in=keys, expire_date__gt=clock.now()):
        store = found[row.session_key] = SessionStore(row.session_key)
        store._session_cache = row.get_decoded()  # type: ignore[attr-defined] # it would ask for each by itself
    return found


def _having(right: str, user_ids: Iterable[str]) -> set[str]:
    """Those of the accounts that have the right."""
    # Of the backends that log people in, this one knows of rights.
    having = User.objects.with_perm(right, backend="django.contrib.auth.backends.ModelBackend")
    return {str(pk) for pk in having.filter(pk__in=_numbers(user_ids)).values_list("pk", flat=True)}


def _numbers(user_ids: Iterable[str]) -> set[str]:
    return {user_id for user_id in user_ids if user_id.isdigit()}


def _is_of(session: SessionStore, user: User) -> bool:
    """Whether the session still logs that account in: not after its password was changed. As django.contrib.auth.get_user asks."""
    if session.get(SESSION_KEY) != str(user.pk) or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    known = session.get(HASH_SESSION_KEY, "")
    return any(constant_time_compare(known, one) for one in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()))
