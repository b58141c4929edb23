"""Deals for as long as a worker lives: in a thread of its own, so that turns are handed out on time whatever the worker is busy with, and
also while Redis is away. Every worker that orders has one; of each line one deals at a time. It also lets those go on that waited for
others of their key (tasks.own_limits).
"""

import threading
import time

import structlog
from django.db import DatabaseError, close_old_connections, connection

from conduit import clock
from tasks import own_limits, shares
from videos import media_shares
from videos.accounts import dealing, surveying

log = structlog.get_logger(__name__)

# Between two looks, in seconds: while nobody waits, and at least while somebody does.
IDLE_SECONDS, LEAST_SECONDS = 1.0, 0.05
# Between two surveys, in seconds; and a share of the time that they may take.
SURVEY_SECONDS, SURVEY_SHARE = 1.0, 0.05
# No survey takes so long, in seconds.
SURVEY_LASTS = 60.0
_SURVEY = "survey"


def start() -> None:
    threading.Thread(target=_deal_on, name="dealer", daemon=True).start()


def _deal_on() -> None:
    while True:
        pause = IDLE_SECONDS
        close_old_connections()
        try:
            own_limits.go_on(clock.now())
            until_next = dealing.deal()
            if until_next is not None:
                pause = min(IDLE_SECONDS, max(LEAST_SECONDS, until_next))
            _survey()
        except DatabaseError as error:
            log.warning("no turns are handed out: the database is away", error=type(error).__name__)
            connection.close()
        except Exception:
            log.exception("turns could not be handed out")
        time.sleep(pause)


def _survey() -> None:
    """Tell those that wait where they stand, if it is time. One process does; should it die, another goes on a little later."""
    if not shares.claim(_SURVEY, SURVEY_LASTS):
        return
    began = time.monotonic()
    surveying.survey()
    media_shares.survey()
    shares.claimed_until(_SURVEY, max(SURVEY_SECONDS, (time.monotonic() - began) / SURVEY_SHARE))
