"""What can be wrong with the money of keys and teams."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from keys import budget_uses
from keys.budget_uses import NEAR, BudgetUse
from keys.budgets import usd
from keys.models import ManagementKey, VirtualKey

# A detail that changes is a write: it says the last of these that is passed, in percent.
_MARKS = (100, 99, 95, 90)


def _nearly_used_up() -> Findings:
    return {_subject(use): _detail(use) for use in budget_uses.near()}


def _subject(use: BudgetUse) -> str:
    """Names of keys are not their own: the id stands with them."""
    zone = "" if use.time_zone == "UTC" else f", {use.time_zone}"
    return f"{use.owner} {use.owner_id} {use.owner_name}: {use.period}{zone}"


def _detail(use: BudgetUse) -> str:
    if use.used >= use.limit:
        return f"All of {usd(use.limit)} is used{_until_reset(use)}."
    passed = next((mark for mark in _MARKS if use.percent >= mark), NEAR)
    end = f"; at this pace it is used up on {_day(use.used_up_at, use)}" if use.used_up_at else _until_reset(use)
    return f"{passed} % or more of {usd(use.limit)} is used{end}."


def _until_reset(use: BudgetUse) -> str:
    return f", until it resets on {_day(use.resets_at, use)}" if use.resets_at else ""


def _day(moment: datetime, use: BudgetUse) -> str:
    return f"{moment.astimezone(ZoneInfo(use.time_zone)):%a %d %b}"


# So long before a key ends it is named.
EXPIRES_SOON = timedelta(days=7)
# A place has thousands of keys, and a page shows so many.
_EXPIRING_MAX = 50


def _expiring() -> Findings:
    now = clock.now()
    soon = Q(expires_at__gt=now, expires_at__lte=now + EXPIRES_SOON, enabled=True)
    found = VirtualKey.objects.filter(soon, deleted_at=None).order_by("expires_at")[:_EXPIRING_MAX]
    managers = ManagementKey.objects.filter(soon).order_by("expires_at")[:_EXPIRING_MAX]
    named = [(f"key {key.pk} {key.name}", key.expires_at) for key in found]
    named += [(f"management key {key.pk} {key.name}", key.expires_at) for key in managers]
    return {name: f"It ends on {ends:%Y-%m-%d at %H:%M} UTC." for name, ends in named if ends}


EXPIRING = Condition(
    name="keys_expire",
    severity=Severity.NOTICE,
    says="Keys are about to expire: what they ask for is refused then.",
    found_by=f"They are enabled, and end within {EXPIRES_SOON.days} days.",
    what_to_do="Move the end of a key that is to go on, or give its holder another. One that is meant to end needs nothing.",
    look=_expiring,
    leads_to="keys/",
)

BUDGETS = Condition(
    name="budgets",
    severity=Severity.NOTICE,
    says="Budgets of keys or teams are nearly used up: what they ask for is refused then.",
    found_by=f"{NEAR} % or more of what a budget allows in the period that runs now is held or spent.",
    what_to_do="Raise the budget of the key or team if it is to go on, or leave it: that is what budgets are for.",
    look=_nearly_used_up,
    leads_to="keys/",
)
