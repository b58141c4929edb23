"""Keys and budgets as sources of webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from conduit import clock
from conduit.api.formats import money, rfc3339
from keys import budget_owners
from keys.models import Budget, BudgetAlert, VirtualKey
from tasks.notifications import event_types, mails
from tasks.notifications.models import Message
from tasks.notifications.sources import Happening, Source

# How long before its end a key's owner is told.
EXPIRING = timedelta(days=7)
# Keys that are looked at in one go.
_KEYS_MAX = 1000


def _facts_of_messages(messages: Sequence[Message], now: datetime) -> dict[str, dict[str, Any]]:
    """It happened at a moment, and is told as it was then."""
    return {message.id: message.facts for message in messages}


# ---- Budgets ----------------------------------------------------------------------------------------------------------


def _thresholds(limit: int) -> list[Happening]:
    """The alerts that nobody was told of, the oldest first. Written with the money that reached them: none is missed, none comes twice."""
    related = ("window__budget__key__team", "window__budget__team")
    alerts = list(BudgetAlert.objects.filter(is_to_be_told=True).order_by("pk").select_related(*related)[:limit])
    if alerts:
        BudgetAlert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(is_to_be_told=False)
    happened = [_threshold(alert) for alert in alerts]
    for alert, event in zip(alerts, happened, strict=True):
        _write_of_budget(alert.window.budget, event.facts)
    return happened


def _write_of_budget(budget: Budget, facts: Mapping[str, Any]) -> None:
    owner = budget.key or budget.team
    assert owner  # noqa: S101 - a constraint
    context = {"facts": facts, "owner": f"{'key' if budget.key else 'team'} {owner.name}"}
    mails.write("budget", settings.ALERT_EMAILS, context)
    contact = budget_owners.contact_of(owner)
    if contact not in settings.ALERT_EMAILS:
        mails.write("budget", [contact], context | {"is_owner": True})


def _threshold(alert: BudgetAlert) -> Happening:
    budget, window = alert.window.budget, alert.window
    key, team = budget.key, budget.team
    return Happening(
        [event_types.BUDGET_THRESHOLD],
        at=alert.created_at,
        source_id=str(alert.pk),
        facts={
            "id": str(budget.pk),
            "object": "budget",
            "scope": "key" if key else "team",
            "key": _named(key),
            "team": _named(team),
            "period": budget.period,
            "time_zone": budget.time_zone,
            "percent": alert.percent,
            "limit": money(alert.limit),
            "held": money(window.held),
            "spent": money(window.spent),
            "currency": "USD",
            "starts_at": rfc3339(window.starts_at),
            "resets_at": rfc3339(window.ends_at),
        },
        key_id=key.pk if key else None,
        team_id=team.pk if team else key.team_id if key else None,
    )


def _named(row: Any) -> dict[str, Any] | None:
    return {"id": row.pk, "name": row.name} if row else None


def _sample_of_budgets(type: str) -> dict[str, Any] | None:
    if type != event_types.BUDGET_THRESHOLD:
        return None
    amounts = {"percent": 90, "limit": "200.0000", "held": "3.2000", "spent": "177.0000", "currency": "USD"}
    period = {"period": "monthly", "time_zone": "UTC", "starts_at": "2026-01-01T00:00:00.000Z", "resets_at": "2026-02-01T00:00:00.000Z"}
    return {"id": "0", "object": "budget", "scope": "key", "key": {"id": 0, "name": "a test"}, "team": None, **period, **amounts}


BUDGETS = Source(name="budgets", take=_thresholds, data_of=_facts_of_messages, sample=_sample_of_budgets)


# ---- Keys that will end -----------------------------------------------------------------------------------------------


def _expiring(limit: int) -> list[Happening]:
    now = clock.now()
    ending = VirtualKey.objects.filter(deleted_at=None, enabled=True, expires_at__gt=now, expires_at__lte=now + EXPIRING)
    keys = list(ending.select_related("team").order_by("expires_at")[:_KEYS_MAX])
    _write_to_contacts(keys)
    return [_ends_soon(key) for key in keys]


def _write_to_contacts(keys: Sequence[VirtualKey]) -> None:
    contacts = {
        f"{event_types.KEY_EXPIRING} {_once(key)}": (budget_owners.contact_of(key), key) for key in keys if budget_owners.contact_of(key)
    }
    for name in mails.unwritten(contacts):
        contact, key = contacts[name]
        mails.write("key_expiring", [contact], {"key": key}, once=name)


def _once(key: VirtualKey) -> str:
    """That this key ends then."""
    return f"{key.pk} {rfc3339(key.expires_at)}"


def _ends_soon(key: VirtualKey) -> Happening:
    assert key.expires_at  # noqa: S101 - it was asked for
    facts = {"id": str(key.pk), "object": "key", "name": key.name, "team": key.team_id, "expires_at": rfc3339(key.expires_at)}
    return Happening(
        [event_types.KEY_EXPIRING],
        at=max(key.expires_at - EXPIRING, key.created_at),
        source_id=str(key.pk),
        facts=facts,
        key_id=key.pk,
        team_id=key.team_id,
        once=_once(key),
    )


def _sample_of_keys(type: str) -> dict[str, Any] | None:
    if type != event_types.KEY_EXPIRING:
        return None
    return {"id": "0", "object": "key", "name": "a test", "team": None, "expires_at": "2026-01-08T12:00:00.000Z"}


KEYS = Source(name="keys", take=_expiring, data_of=_facts_of_messages, sample=_sample_of_keys, seconds=30.0)
