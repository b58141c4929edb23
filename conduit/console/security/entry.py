"""Whether somebody who is logged in may see the console: the one question that its pages and its socket ask."""

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase

from conduit.console.security.sessions import why_ended


def may_enter(user: User | AnonymousUser, session: SessionBase) -> bool:
    """Whether the console is open to that account with that session right now: staff, and a session that has not ended.

    It reads what it is given: whoever keeps a connection open loads both anew before asking again.
    """
    return user.is_active and user.is_staff and not why_ended(session)
