"""Every page, list, filter and search of the console whose cost must not grow with the number of tasks: one table for the test of
their plans (tests/console/test_plans.py) and for `make bench-console`. A new page puts its addresses here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import quote

from tests.support.many import Many
from tests.support.plans import READ_MAX


@dataclass(frozen=True)
class Address:
    """A page, by its address below `/admin/`."""

    name: str
    path: Callable[[Many], str]
    most: int = READ_MAX  # rows that each of its queries reads at most


def _searched(text: str, many: Many) -> str:
    return f"tasks/?q={quote(text.format(many=many))}"


def _day(many: Many) -> str:
    """The third before the last, as Django's filters ask for it."""
    first, after = (many.now.date() - timedelta(days=days) for days in (3, 2))
    return f"created_at__gte={first}T00:00:00Z&created_at__lt={after}T00:00:00Z"


def _own_days(many: Many) -> str:
    """Months, and parts of one at both ends."""
    first, last = (many.now.date() - timedelta(days=days) for days in (200, 40))
    return f"from={first}&to={last}"


SEARCHES = (
    "",
    "lighthouse",
    "rhinoceros",
    "id:{many.completed}",
    "…{many.oldest}",
    "status:failed,cancelled -glacier",
    "provider:trace-of-nobody-7",
    "key:{many.first_key}",
    "key:{many.rare_key}",
    "team:{many.team}",
    "model:video-01",
    "status:failed",
    "stage:generating",
    "error:content_policy_violation",
    "prompt:glacier",
    "provider:job-7000",
    "meta:order=7",
    "cost>0.1",
    "wait>1m",
    "created:>2d",
    "status:completed ended:>1h",
    "ended:yesterday",
    "key:{many.first_key} status:failed error:content_policy_violation created:>2d",
)
ADDRESSES = (
    Address("first page", lambda many: ""),
    Address("keys", lambda many: "keys/"),
    Address("keys by what they spent", lambda many: "keys/?order=spent+this+month"),
    Address("keys of a team, found", lambda many: f"keys/?team={many.team}&q=key"),
    Address("teams by what they spent", lambda many: "keys/teams/?order=spent+this+month"),
    Address("a key", lambda many: f"keys/virtualkey/{many.first_key}/change/"),
    Address("keys to disable", lambda many: f"keys/disable/?key={many.first_key}&key={many.first_key + 1}"),
    Address("money", lambda many: "money/"),
    Address("money by key of a year", lambda many: "money/?span=year&by=key"),
    Address("money by key of days of one's own", lambda many: f"money/?{_own_days(many)}&by=key"),
    Address("money by team of a year", lambda many: "money/?span=year&by=team"),
    Address("money of a model of a year", lambda many: "money/?span=year&by=model&model=video-01"),
    Address("money by team of a model", lambda many: "money/?span=30d&by=team&model=video-01"),
    Address("money of a key by model", lambda many: f"money/?span=90d&by=model&key={many.first_key}"),
    Address("a completed task", lambda many: f"tasks/{many.completed}/"),
    Address("a failed task", lambda many: f"tasks/{many.failed}/"),
    Address("a task under way", lambda many: f"tasks/{many.running}/"),
    Address("the parts of a task", lambda many: f"tasks/{many.running}/parts/"),
    Address("webhooks of a task", lambda many: f"tasks/{many.completed}/webhooks/"),
    Address("a task to cancel", lambda many: f"tasks/{many.running}/cancel/"),
    Address("a task to retry", lambda many: f"tasks/{many.failed}/retry/"),
    Address("a video to delete", lambda many: f"tasks/{many.completed}/delete-media/"),
    Address("an old task", lambda many: f"tasks/{many.oldest}/"),
    Address("costs of a task", lambda many: f"keys/usagecost/?q={many.completed}"),
    Address("events of a task", lambda many: f"tasks/taskevent/?q={many.completed}"),
    Address("clips of a task", lambda many: f"videos/clip/?q={many.completed}"),
    Address("orders that may have been billed", lambda many: "money/lost/"),
    Address("MiniMax's bill", lambda many: "money/bill/"),
    Address("MiniMax's bill of a year", lambda many: "money/bill/?span=year"),
    Address("tasks to cancel, asked before", lambda many: "tasks/act/?do=cancel&all=1", most=20_000),
    Address("tasks to retry, asked before", lambda many: "tasks/act/?do=retry&all=1&q=glacier", most=20_000),
    Address("chosen tasks to cancel", lambda many: f"tasks/act/?do=cancel&task={'&task='.join(map(str, many.some))}"),
    Address("calls to MiniMax", lambda many: "minimax/calls/?span=30d"),
    Address("calls to MiniMax that were refused", lambda many: "minimax/calls/?span=30d&model=video-01&answer=rate&code=1002"),
    Address("processes", lambda many: "processes/"),
    Address("doctor, not asked yet", lambda many: "doctor/"),
    Address("client tokens of a key", lambda many: f"keys/{many.first_key}/client-tokens/"),
    Address("webhook endpoints", lambda many: "webhooks/"),
    Address("webhook endpoints, found", lambda many: "webhooks/?q=endpoint+1&state=failing"),
    # Its states are counted up to 10,000 each.
    Address("the log of an endpoint", lambda many: f"webhooks/{many.endpoint}/", most=40_000),
    Address("what an endpoint was given up", lambda many: f"webhooks/{many.endpoint}/?state=failed", most=40_000),
    Address("an endpoint to delete", lambda many: f"webhooks/{many.endpoint}/delete/", most=40_000),
    Address("mails", lambda many: "webhooks/mails/"),
    Address("margins of a model", lambda many: "models/1/margins/"),
    Address("audit", lambda many: "audit/"),
    Address("open streams", lambda many: "streams/"),
    Address("runs", lambda many: "tasks/runs/"),
    Address("users", lambda many: "auth/user/"),
    Address("accounts of MiniMax", lambda many: "videos/provideraccount/"),
    Address("management keys", lambda many: "keys/managementkey/"),
    Address("alerts of budgets", lambda many: "keys/budgetalert/"),
    Address("locks", lambda many: "security/lock/"),
    Address("models", lambda many: "models/"),
    Address("settings", lambda many: "settings/"),
    Address("pauses", lambda many: "tasks/pause/"),
    Address("live state of twenty tasks", lambda many: f"live/state/?now=1h&list=1&tasks={','.join(map(str, many.some))}"),
    Address("ledger", lambda many: "keys/usagecost/"),
    Address("ledger of a key", lambda many: f"keys/usagecost/?key__id__exact={many.first_key}"),
    Address("ledger of a key with one task", lambda many: f"keys/usagecost/?key__id__exact={many.rare_key}"),
    Address("ledger of a team", lambda many: f"keys/usagecost/?team_id={many.team}"),
    Address("ledger, captures", lambda many: "keys/usagecost/?entry__exact=capture"),
    Address("ledger, refunds", lambda many: "keys/usagecost/?entry__exact=refund"),
    Address("ledger of a day", lambda many: f"keys/usagecost/?{_day(many)}"),
    Address("ledger of a day of a key", lambda many: f"keys/usagecost/?key__id__exact={many.first_key}&{_day(many)}"),
    Address("events", lambda many: "tasks/taskevent/"),
    Address("events of a key", lambda many: f"tasks/taskevent/?key__id__exact={many.first_key}"),
    Address("clips", lambda many: "videos/clip/"),
    Address("clips by MiniMax's id", lambda many: "videos/clip/?q=job-7000"),
    Address("timings of an hour", lambda many: f"videos/timing/?created_at__gte={many.now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"),
    Address("timings", lambda many: "videos/timing/"),
    Address("budgets", lambda many: "keys/budgetwindow/"),
    *(Address(f"tasks, {text}", partial(_searched, text), most=20_000) for text in SEARCHES),
)
