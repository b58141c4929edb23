"""Whether somebody who is logged in may see the console: the one question that its pages and its socket ask."""

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase

from conduit.console.security import second_factor
from conduit.console.security.sessions import why_ended


def may_enter(user: User | AnonymousUser, session: SessionBase) -> bool:
    """Whether the console is open to that account with that session right now: staff, a session that has not ended, and in which the
    second factor was shown where one is asked for.

    It reads what it is given, and the database only of an account that no request came with: a page that keeps a connection open loads
    both anew before asking again.
    """
    return isinstance(user, User) and is_known_staff(user, session) and second_factor.is_satisfied(user, session)


def may_enrol(user: User | AnonymousUser, session: SessionBase) -> bool:
    """Whether the only page open to it is the one that sets up the second factor."""
    return isinstance(user, User) and is_known_staff(user, session) and second_factor.must_enrol(user)


def is_known_staff(user: User, session: SessionBase) -> bool:
    return user.is_active and user.is_staff and not why_ended(session)
