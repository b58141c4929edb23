"""Passwords of people: which requests look at one, and what people see when too many do.

A hash takes some tenths of a second of a processor on purpose. Tries of passwords must not take them all: the web process looks at them
in a few threads of their own, outside Python's lock, and at those of an address that is locked out not at all (conduit.console.security).
"""

import re
from functools import lru_cache

from django.template.loader import render_to_string

from conduit.api.errors import TooManyRequests

# Threads of a web process that look at passwords.
AT_ONCE = 2
# When to try again, in seconds.
RETRY_SECONDS = 2
# Logging in, changing one's own, making an account, setting somebody's.
_PATHS = re.compile(r"/admin/(?:login/|password_change/|auth/user/(?:add/|[0-9]+/password/))")


class TooManyLogins(TooManyRequests):
    """So many passwords wait to be looked at that this one is not."""

    def __init__(self) -> None:
        super().__init__("There are too many log-ins at once. Try again in a moment.", headers={"Retry-After": str(RETRY_SECONDS)})


def are_looked_at(method: str, path: str) -> bool:
    """Whether that request has one looked at or made."""
    return method == "POST" and _PATHS.fullmatch(path) is not None


@lru_cache
def too_many_logins_page() -> str:
    """Depends on nobody's request, so that it costs nothing when there are thousands."""
    return render_to_string("admin/too_many_logins.html", {"title": "Too many log-ins at once", "site_header": "Conduit"})
