"""Administrators who change budgets, teams and raises without end, each in a process of its own, until they are killed.

Run as `python -m tests.support.administrators KEY_ID TEAM_ID OTHER_TEAM_ID AMOUNT`. Conduit is loaded once; each administrator
is a fork with connections of its own, and whenever one is killed the next begins. Each round of changes is a line that holds
its process id, so that whoever reads them sees that it happened, and whom to kill.
"""

import itertools
import os
import sys
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from conduit import clock
from tests.support.creators import say
from tests.support.crowds import forked
from tests.support.loaded import load

# Each is what the key's or team's budgets are for a while. None holds more than ROOM tasks, so that no order of them does.
PERIODS = (
    [{"period": "total"}],
    [{"period": "daily", "time_zone": "UTC"}, {"period": "total"}],
    [{"period": "monthly", "time_zone": "Asia/Tokyo"}],
    [{"period": "total", "time_zone": "Europe/Berlin"}, {"period": "weekly", "time_zone": "UTC"}],
)


def main(key_id: int, team_id: int, other_id: int, amount: str) -> None:
    load()
    while True:
        _, status = os.waitpid(forked(administrate, key_id, team_id, other_id, amount), 0)
        if not os.WIFSIGNALED(status):  # nobody killed it: it failed, and said why
            sys.exit(1)


def administrate(key_id: int, team_id: int, other_id: int, amount: str) -> None:

    from conduit.api.errors import ApiError
    from keys import budget_owners, services
    from keys.models import Team, VirtualKey

    key = VirtualKey.objects.get(pk=key_id)
    teams = Team.objects.in_bulk([team_id, other_id])
    for number, wanted in enumerate(itertools.cycle(PERIODS)):
        limit: dict[str, Any] = {"amount": Decimal(amount), "raised_to": None, "raised_until": None}
        if number % 3 == 2:  # a raise to the same room, from a lower amount
            limit = {"amount": Decimal(amount) / 2, "raised_to": Decimal(amount), "raised_until": clock.now() + timedelta(hours=1)}
        budgets = [{"time_zone": "UTC"} | fields | limit for fields in wanted]
        for change in (
            partial(budget_owners.set_budgets, key, budgets, who="root"),
            partial(budget_owners.set_budgets, teams[team_id], budgets[:1], who="root"),
            partial(services.change_key, key, who="root", team=teams[[team_id, other_id][number % 2]]),
        ):
            try:
                change()
            except ApiError as error:
                say(str(error))
        say(str(os.getpid()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
