"""Endpoints that are called no more, because nobody answers there."""

from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from conduit import clock
from keys import audit, budget_owners
from tasks.notifications import event_types, mails, outbox
from tasks.notifications.models import WORDS_CHARACTERS, Delivery, Endpoint, State
from tasks.notifications.sources import Happening, Source

RULE = audit.Rule("rule: endpoints that fail are disabled")


def disable(endpoint: Endpoint, why: str, *, who: str = RULE) -> bool:
    """Call it no more, give up what it has pending, and tell the others of its owner; False: it was disabled before. Belongs inside a
    transaction."""
    now = clock.now()
    living = Endpoint.objects.filter(pk=endpoint.pk, disabled_at=None)
    if not living.update(disabled_at=now, disabled_for=why[:WORDS_CHARACTERS]):
        return False
    endpoint.disabled_at, endpoint.disabled_for = now, why
    give_up(Delivery.objects.filter(endpoint=endpoint), f"Its endpoint was disabled. {why}", now)
    audit.record(who=who, action="disable", target=endpoint, disabled_for=["", why])
    mails.write("endpoint_disabled", _told(endpoint), {"endpoint": endpoint, "why": why})
    outbox.tell(SOURCE.name, [_happening(endpoint, why, now)])
    return True


def _told(endpoint: Endpoint) -> list[str]:
    """Who is told by mail what becomes of it: its key's or team's contact; of the whole place's the operators."""
    owner = endpoint.key or endpoint.team
    return [budget_owners.contact_of(owner)] if owner else settings.ALERT_EMAILS


def give_up(deliveries: QuerySet[Delivery], why: str, now: datetime) -> None:
    """Try no more of these what is pending."""
    pending = deliveries.filter(state=State.PENDING)
    pending.update(state=State.FAILED, ended_at=now, problem=why[:WORDS_CHARACTERS], lease_token=None, lease_until=None)


def _happening(endpoint: Endpoint, why: str, now: datetime) -> Happening:
    facts = {"id": endpoint.public_id, "object": "webhook_endpoint", "name": endpoint.name, "url": endpoint.url, "reason": why}
    return Happening(
        [event_types.ENDPOINT_DISABLED],
        at=now,
        source_id=endpoint.public_id,
        facts=facts,
        key_id=endpoint.key_id,
        team_id=endpoint.team_id or (endpoint.key.team_id if endpoint.key else None),
    )


def _sample(type: str) -> dict[str, str] | None:
    if type != event_types.ENDPOINT_DISABLED:
        return None
    return {"id": "we_0", "object": "webhook_endpoint", "name": "Another", "url": "https://example.com/hooks", "reason": "A test."}


SOURCE = Source(
    name="endpoints",
    take=lambda limit: [],  # they are told in the transaction that disables one
    data_of=lambda messages, now: {message.id: message.facts for message in messages},
    sample=_sample,
)
